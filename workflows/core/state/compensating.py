"""What takes back the calls of a handler: data, as all of a run."""

from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from perdure.workflows.core.state.record import Record
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.parts import ToolError


@dataclass(frozen=True, kw_only=True)
class Kept(Record):
    """A call that takes back another one, which has succeeded."""

    block: Block
    tool: str
    args: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class Untaken(Record):
    """One that failed."""

    kept: Kept
    error: ToolError


@dataclass(frozen=True, kw_only=True)
class Compensating(Record):
    """Those that are kept are carried out, the latest first."""

    at: str
    #: The call of the latest one, once it has begun.
    call_id: str | None = None
    #: How many have been carried out.
    tried: int = 0
    #: Those that failed, in the order in which they were tried.
    failed: tuple[Untaken, ...] = ()
    kind: Literal["compensating"] = "compensating"
