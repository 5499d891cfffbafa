"""What a tool's function returned, validated and as JSON, before it is stored."""

from dataclasses import dataclass, field

from perdure.workflows.vocabulary.parts import ToolResult


@dataclass(frozen=True, slots=True)
class Returned:
    result: ToolResult
    #: It is too large to travel inline.
    big: bool
    #: Files beside it, as bytes and media type, by sha256.
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
