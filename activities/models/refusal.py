"""What a server says when it refuses a request: its words, and the places in the request that it points to. Pure.

Sources of the forms: errors of OpenAI and Azure (`param`), Anthropic ("tools.0.cache_control: Extra inputs are not
permitted"), Mistral, vLLM and all on FastAPI (`detail: [{loc: [body, …], msg: …}]`), Google (`fieldViolations`, "Unknown name
'x' at 'tools[0]'"), OpenRouter (JSON as a text), and xAI, Groq, Cerebras and Cohere (only words).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from perdure.activities.models.failures import ProviderError

#: Names of members from the top of a request, and indexes as digits.
Place = tuple[str, ...]

_TOLD: Final = (
    "message",
    "msg",
    "detail",
    "details",
    "description",
    "error",
    "errors",
    "reason",
    "fieldViolations",
    "raw",
)
_LOC: Final = re.compile(r"""['"]loc['"]:\s*[\[(]([^\])]*)[\])]""")
_AT: Final = re.compile(r"""[Uu]nknown name ['"](\w+)['"](?: at ['"]([^'"]+)['"])?""")
#: `tools.3.cache_control`, `tools[0].function.strict`, `parameters.properties[at].format`.
_DOTTED: Final = re.compile(r"\b[A-Za-z_]\w*(?:\.\w+|\[\w+\])+")
_STEP: Final = re.compile(r"\w+")
_QUOTED: Final = re.compile(r"[`'\"](\w+)[`'\"]")
_CHOICES: Final = re.compile(
    r"\b(?:supported|allowed|valid|accepted|permitted|possible)\s+(?:values?|levels?|options?)"
    r"(?:\s+are|\s+is|\s+include)?\s*:?\s*(.+)"
    r"|must be (?:one of|either)\s*:?\s*(.+)|must be\s*:?\s*([`'\"].+)"
    r"|input should be\s*:?\s*(.+)|expected one of\s*:?\s*(.+)"
    r"|\bone of\s*:?\s*([\[(`'\"].+)|\bonly\s+(.+?)\s+(?:is|are)\s+(?:supported|allowed|accepted)",
    re.IGNORECASE,
)
_UNKNOWN: Final = re.compile(
    r"not (?:supported|permitted|allowed|recognized|a valid)|un(?:supported|recognized|known|expected)|extra",
    re.IGNORECASE,
)
#: Longer errors are pages of a proxy.
_LONGEST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    #: All that it says, without the backslashes of JSON within JSON.
    words: str
    #: The most explicit ones first.
    places: tuple[Place, ...]
    #: The server's codes for it.
    codes: frozenset[str] = frozenset()

    @property
    def lower(self) -> str:
        return self.words.lower()

    @property
    def is_unknown(self) -> bool:
        """Whether it says that the server does not take something at all, whatever its value."""
        return _UNKNOWN.search(self.words) is not None

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that the server lists as those that it takes; none where it lists none."""
        match = _CHOICES.search(self.words)
        if match is None:
            return ()
        listed = next(group for group in match.groups() if group)
        return tuple(_QUOTED.findall(listed) or _STEP.findall(listed.split(".")[0]))


def refusal_of(error: ProviderError) -> Refusal | None:
    """What a server refused, as far as it says so; None for any other kind of failure."""
    if error.status is None or not (error.status in (400, 404, 422) or error.status >= 500):
        return None
    details = _opened(error.details)
    told = [str(error), *_strings(details)]
    words = "\n".join(dict.fromkeys(told))[:_LONGEST].replace("\\", "")
    places = [*_structured(details), *_in_words(words)]
    return Refusal(error.status, words, tuple(dict.fromkeys(place for place in places if place)), error.codes)


def _opened(value: Any, depth: int = 0) -> Any:
    """`value` with JSON that stands in it as a text read, too."""
    if depth > 8:
        return value
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _opened(json.loads(value[:_LONGEST]), depth + 1)
        except (ValueError, RecursionError):
            return value
    if isinstance(value, list):
        return [_opened(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {name: _opened(inner, depth + 1) for name, inner in value.items()}
    return value


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 8:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, depth + 1)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in _TOLD or isinstance(inner, dict | list):
                yield from _strings(inner, depth + 1)


def _structured(value: Any, depth: int = 0) -> Iterator[Place]:
    if depth > 8:
        return
    if isinstance(value, list):
        for item in value:
            yield from _structured(item, depth + 1)
    elif isinstance(value, dict):
        for name in ("param", "field"):
            if isinstance(named := value.get(name), str):
                yield _without_body(tuple(_STEP.findall(named)))
        if isinstance(loc := value.get("loc"), list | tuple):
            yield _without_body(tuple(map(str, loc)))
        for inner in value.values():
            yield from _structured(inner, depth + 1)


def _in_words(words: str) -> Iterator[Place]:
    for match in _LOC.finditer(words):
        yield _without_body(tuple(_STEP.findall(match[1])))
    for match in _AT.finditer(words):
        yield (*_STEP.findall(match[2] or ""), match[1])
    for match in _DOTTED.finditer(words):
        yield _without_body(tuple(_STEP.findall(match[0])))


def _without_body(place: Place) -> Place:
    """Without the name that FastAPI, and Google, have for the request as a whole."""
    return place[1:] if place[:1] in (("body",), ("GenerateContentRequest",)) else place
