"""How the demo model fills in a tool's arguments: from the tool's JSON Schema and what the user wrote. Pure.

Each item found in the text (a quoted string, an id, a number) is used once, in the order of the text. A required argument
always gets some value, an optional one only if the text mentions it.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

Schema = dict[str, JsonValue]

URL: Final = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]")
EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]*\w")
QUOTED: Final = re.compile(r"[\"“”«]([^\"“”«»]+)[\"“”»]|(?<!\w)'([^']+)'(?!\w)")
#: A-1001, ORD_77, c3po; a word of letters and digits.
IDENTIFIER: Final = re.compile(r"\b(?=[\w-]*\d)[A-Za-z]\w*(?:-\w+)*\b")
NUMBER: Final = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-])")
DATE: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
ZONE: Final = re.compile(r"\b(?:[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+|UTC)\b")
PLACE: Final = re.compile(r"\b(?:in|for|at|to|from) ((?:[A-Z][\w'-]+ ?)+)")
ARITHMETIC: Final = re.compile(
    r"(?<![\w.])[-(]*\d+(?:\.\d+)?\)*(?:\s*(?:\*\*|[-+*/×÷^%])\s*[-(]*\d+(?:\.\d+)?\)*)+(?!\w)"
)
SMALL_TALK: Final = re.compile(
    r"\b(?:hello|hi|hey|good (?:morning|day|afternoon|evening)|how are you|thanks|thank you|bye|goodbye)\b",
    re.IGNORECASE,
)
#: Levels after which a recursive schema is given up.
_DEEPEST: Final = 5
_SPOKEN: Final = {
    r"(?<=[\d)])\s+plus\s+(?=[\d(-])": " + ",
    r"(?<=[\d)])\s+minus\s+(?=[\d(-])": " - ",
    r"(?<=[\d)])\s+(?:times|multiplied by|x)\s+(?=[\d(-])": " * ",
    r"(?<=[\d)])\s+(?:divided by|over)\s+(?=[\d(-])": " / ",
}


def words(name: str) -> list[str]:
    """`find_order`, `find-order` and `findOrder` → find, order."""
    return re.findall(r"[a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower())


def expression(text: str) -> str | None:
    """The first arithmetic expression in `text`, with operators that programs know. Dates do not count."""
    for spoken, operator in _SPOKEN.items():
        text = re.sub(spoken, operator, text)
    found = next((match[0] for match in ARITHMETIC.finditer(DATE.sub("", text))), None)
    return found and found.replace("×", "*").replace("÷", "/").replace("^", "**").strip()


def arguments(schema: Schema, text: str, tool: str) -> dict[str, JsonValue]:
    """Arguments for `tool`, whose input schema is `schema`, as far as `text` gives them."""
    return _Found(text, tool, schema).object(schema)


@dataclass(slots=True)
class _Found:
    """What has not been used of the text yet."""

    text: str
    tool: str
    root: Schema
    quoted: list[str] = field(init=False)
    identifiers: list[str] = field(init=False)
    numbers: list[str] = field(init=False)
    depth: int = 0

    def __post_init__(self) -> None:
        bare = EMAIL.sub(" ", URL.sub(" ", self.text))
        self.quoted = [match[1] or match[2] for match in QUOTED.finditer(bare)]
        bare = QUOTED.sub(" ", bare)
        self.identifiers = IDENTIFIER.findall(bare)
        self.numbers = NUMBER.findall(DATE.sub(" ", bare))

    def object(self, schema: Schema) -> dict[str, JsonValue]:
        properties = schema.get("properties")
        required = schema.get("required")
        made: dict[str, JsonValue] = {}
        if self.depth == _DEEPEST:
            return made
        self.depth += 1
        for name, given in (properties if isinstance(properties, dict) else {}).items():
            option = self._plain(given)
            must = isinstance(required, list) and name in required
            if must or self._spoken_of(name, option):
                made[name] = self._value(name, option)
        self.depth -= 1
        return made

    def _plain(self, schema: JsonValue) -> Schema:
        """`schema` without references, and the first of its alternatives that is not null."""
        found = schema if isinstance(schema, dict) else {}
        for _ in range(8):
            reference = found.get("$ref")
            options = found.get("anyOf") or found.get("oneOf") or found.get("allOf")
            if isinstance(reference, str):
                target: JsonValue = self.root
                for step in reference.removeprefix("#/").split("/"):
                    target = target.get(step) if isinstance(target, dict) else None
                found = target if isinstance(target, dict) else {}
            elif isinstance(options, list):
                some = [option for option in options if isinstance(option, dict) and option.get("type") != "null"]
                found = some[0] if some else {}
            else:
                break
        return found

    def _spoken_of(self, name: str, schema: Schema) -> bool:
        choices = schema.get("enum")
        if isinstance(choices, list):
            return any(self._mentions(str(choice)) for choice in choices)
        if "zone" in words(name) or "timezone" in words(name) or name == "tz":
            return bool(ZONE.search(self.text))
        return schema.get("type") in ("string", "number", "integer") and self._mentions(name.replace("_", " "))

    def _mentions(self, phrase: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", self.text, re.IGNORECASE) is not None

    def _is_said(self, choice: str) -> bool:
        """Whether the text names the choice, or is what it says: small talk."""
        return self._mentions(choice) or ("talk" in choice and SMALL_TALK.search(self.text) is not None)

    def _value(self, name: str, schema: Schema) -> JsonValue:
        choices = schema.get("enum")
        if "const" in schema:
            return schema["const"]
        if isinstance(choices, list) and choices:
            return next((choice for choice in choices if self._is_said(str(choice))), choices[0])
        kind = schema.get("type")
        match next((k for k in kind if k != "null"), None) if isinstance(kind, list) else kind:
            case "integer":
                return round(float(self._number(schema)))
            case "number":
                number = float(self._number(schema))
                return int(number) if number.is_integer() else number
            case "boolean":
                return not re.search(r"\b(no|not|false|without|off|don't)\b", self.text, re.IGNORECASE)
            case "array":
                items = self._plain(schema.get("items"))
                return [] if items.get("type") == "array" else [self._value(name, items)]
            case "object":
                return self.object(schema)
            case _:
                return self._string(name, schema)

    def _number(self, schema: Schema) -> str:
        if self.numbers:
            return self.numbers.pop(0)
        return str(next((schema[key] for key in ("default", "minimum") if key in schema), 1))

    def _string(self, name: str, schema: Schema) -> str:
        parts, form = set(words(name)), schema.get("format")
        for wanted, pattern in (
            (form == "uri" or parts & {"url", "uri", "link"}, URL),
            (form == "email" or parts & {"email"}, EMAIL),
            (form == "date" or parts & {"date", "day"}, DATE),
            (parts & {"zone", "timezone", "tz"}, ZONE),
        ):
            if wanted and (match := pattern.search(self.text)):
                return match[0]
        if parts & {"expression", "formula", "calculation", "sum"} and (found := expression(self.text)):
            return found
        if parts & {"id", "number", "code", "reference", "sku", "order"} and (self.identifiers or self.numbers):
            return (self.identifiers or self.numbers).pop(0)
        if self.quoted:
            return self.quoted.pop(0)
        if parts & {"city", "place", "location", "country", "name"} and (match := PLACE.search(self.text)):
            return match[1].strip()
        if self.identifiers:
            return self.identifiers.pop(0)
        return self._rest() or str(schema.get("default") or "demo")

    def _rest(self) -> str:
        """The text without the tool's name and what leads up to it."""
        last = max(
            (match.end() for word in words(self.tool) for match in re.finditer(word, self.text.lower())), default=0
        )
        rest = re.sub(
            r"^\W*(?:(?:the|a|an|of|for|me|with|to|on|is|about|tool)\b\W*)*", "", self.text[last:], flags=re.IGNORECASE
        )
        return (rest.strip(" .?!") or self.text.strip())[:200]
