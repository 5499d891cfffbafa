"""What a tool's function returned, checked and as JSON, on its way to whoever keeps it."""

from dataclasses import dataclass, field

from perdure.workflows.vocabulary.parts import ToolResult


@dataclass(frozen=True, slots=True)
class Returned:
    result: ToolResult
    #: It is too big to travel as it is.
    big: bool
    #: Files beside it, and what they are said to be, by their sha256.
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
