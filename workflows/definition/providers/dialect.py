"""How providers differ where they speak the same kind of API: strict tools, their limits, and names of fields."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictTools:
    """What strict mode, which keeps a model to a tool's JSON Schema, can express at a provider."""

    #: What one request may hold, all its strict tools together; a tool that would exceed a limit is sent plain.
    tools: int
    optional_properties: int
    unions: int
    properties: int
    #: Levels of nesting.
    depth: int
    #: Values of one `enum`.
    enum_values: int
    #: Every property has to be required, so an optional one takes null.
    all_required: bool = False
    #: A definition may contain itself.
    recursion: bool = False
    #: Keywords that are enforced. Others are told in the description.
    keywords: frozenset[str] = frozenset()
    #: Values of `minItems` that are enforced although the keyword is not among `keywords`.
    min_items: tuple[int, ...] = ()
    #: Values of `format` that are enforced.
    formats: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    #: None: strict mode is not used.
    strict: StrictTools | None = None
    #: An array in a schema has to say what its items are.
    array_items: bool = False
    #: The field of a Chat Completions request that limits the tokens of an answer.
    output_limit: str = "max_tokens"


#: For servers of which nothing is known beyond the API that they speak.
PLAIN: Final = Dialect()

#: Formats that strict mode enforces wherever it enforces any.
FORMATS: Final = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
