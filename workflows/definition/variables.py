"""Variables of a session, as a definition declares them: what each may hold, and what it holds before anybody sets it.

Rule: workflow code checks every value that is set, so a variable says nothing that this code does not check.
"""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, JsonValue, model_validator
from pydantic_core import to_json

from perdure.workflows.definition.handlers import BlockDefinition, ForEach, Handler, Parallel, handler_blocks
from perdure.workflows.definition.handlers.together import Items
from perdure.workflows.vocabulary.parts import Frozen, absent


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Bytes of JSON that all variables of a session hold together.
MOST_BYTES: Final = 64 * 1024
#: What templates read by these names is something else; some are words of the template language.
RESERVED: Final = frozenset({"session", "user", "turn", "args", "message", "error", "event"})
_WORDS: Final = _words("and or not in is if else true false none True False None loop self range")

#: A letter, then letters, digits and _, so that a template can read it.
VARIABLE_NAME: Final = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"

_KINDS: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
#: Words of JSON Schema that would say more of a value.
_UNCHECKED: Final = _words(
    """
    additionalProperties allOf anyOf const contains exclusiveMaximum exclusiveMinimum format items maxItems maxLength
    maxProperties maximum minItems minLength minProperties minimum multipleOf not nullable oneOf pattern patternProperties
    prefixItems properties propertyNames required uniqueItems $defs $ref
    """
)


class SessionVariable(Frozen):
    """What a session remembers by this name."""

    type: Literal["string", "integer", "number", "boolean", "array", "object"] = Field(
        description="What the variable holds. A value of another type is an error of the block that sets it."
    )
    default: JsonValue = Field(description="What it holds until it is set; a value of its type.")
    enum: tuple[JsonValue, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=1_000,
        exclude_if=absent,
        description="The only values that it may hold.",
    )
    description: str = Field(default="", exclude_if=lambda value: not value, description="What it is for, for people.")

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, given: Any) -> Any:
        for name in given if isinstance(given, dict) else ():
            if name in _UNCHECKED:
                raise ValueError(
                    f"{name}: of a variable's values, type and enum are checked and nothing else, so this would have no "
                    "effect; remove it"
                )
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for value in self.enum or ():
            if _typed(self.type, value) is None:
                raise ValueError(f"enum: {shown(value)} is not {_KINDS[self.type]}")
        try:
            self.taken(self.default)
        except ValueError as error:
            raise ValueError(f"default: {error}") from error
        return self

    @property
    def kind(self) -> str:
        """Its type, in words."""
        return _KINDS[self.type]

    def taken(self, value: JsonValue) -> JsonValue:
        """`value` as the variable holds it. Raises ValueError, in words, where it does not fit."""
        typed = _typed(self.type, value)
        if typed is None:
            raise ValueError(f"takes {self.kind}, and is given {shown(value)}")
        if self.enum is not None and not any(_same(typed, one) for one in self.enum):
            raise ValueError(f"takes one of {', '.join(map(shown, self.enum[:20]))}, and is given {shown(value)}")
        return typed


Variables = dict[Annotated[str, Field(pattern=VARIABLE_NAME)], SessionVariable]


def variable_faults(
    variables: Mapping[str, SessionVariable], inputs: Mapping[str, object], handlers: Mapping[str, Handler]
) -> Iterator[tuple[str, str]]:
    """Which variables cannot be meant, and why."""
    for name in variables:
        if name in RESERVED:
            yield name, "is a built-in name; call the variable otherwise"
        elif name in _WORDS:
            yield name, "is a word of the template language; call the variable otherwise"
        elif name in inputs:
            yield name, "is the name of an input, too; call one of them otherwise"
        for handler_name, handler in handlers.items():
            if name in handler.inputs:
                yield name, f"is the name of an input of the handler {handler_name}, too; call one of them otherwise"
            for at, block in handler_blocks(handler_name, handler):
                if name == _item_of(block):
                    yield name, f"is the variable of the loop {at}, too; call one of them otherwise"
    if sum(map(size, variables.values())) > MOST_BYTES:
        yield next(iter(variables)), f"the defaults of all variables have more than {MOST_BYTES // 1024} KiB together"


def _item_of(block: BlockDefinition) -> str | None:
    """The variable that holds the item, where the block is carried out for each of a list."""
    match block:
        case ForEach(name=name) | Parallel(for_each=Items(name=name)):
            return name
        case _:
            return None


def size(variable: SessionVariable) -> int:
    """Bytes of its default."""
    return bytes_of(variable.default)


def bytes_of(value: JsonValue) -> int:
    """Bytes of JSON."""
    return len(to_json(value, inf_nan_mode="strings"))


def shown(value: JsonValue) -> str:
    """In a few words, for people."""
    written = to_json(value, inf_nan_mode="strings").decode()
    return written if len(written) <= 80 else f"{written[:80]}…"


def _typed(kind: str, value: JsonValue) -> JsonValue:
    """`value` as one of this type; None where it is of another one."""
    match kind, value:
        case ("boolean", bool()) | ("string", str()) | ("array", list()) | ("object", dict()):
            return value
        case ("integer" | "number", bool()):
            return None
        case ("integer" | "number", int()):
            return value
        case ("number", float()) if isfinite(value):
            return value
        case ("integer", float()) if value.is_integer():
            return int(value)
        case _:
            return None


def _same(one: JsonValue, other: JsonValue) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
