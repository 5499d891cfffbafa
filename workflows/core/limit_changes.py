"""What changes a session because of its limits, beside events; see `changes.py`."""

from dataclasses import dataclass
from datetime import datetime

from perdure.workflows.core.endings import Odd
from perdure.workflows.vocabulary.parts import StopReason, ToolError


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """What the sub-agent of a call may spend, or a model call beside the turn's (`call_id` is its step's then), so that
    nobody else does. None: there is no cap on it."""

    call_id: str
    usd: float | None = None
    tokens: int | None = None
    tool_calls: int | None = None


@dataclass(frozen=True, kw_only=True)
class StepUndone:
    """The last step came to nothing, for a limit; what the turn had come to before it counts again."""

    stop: StopReason | None
    odd: tuple[Odd, ...]
    #: The provider's own quota is used up; None: it was a cap.
    quota: ToolError | None = None


@dataclass(frozen=True)
class QuotaPassed:
    """Another model answers than the one whose provider's quota is used up."""


@dataclass(frozen=True)
class TurnCheapened:
    """The role that stands in at a limit goes on with the turn."""


@dataclass(frozen=True, kw_only=True)
class ClockTurned:
    """Something began to work for the turn, or nothing does any more."""

    at: datetime


@dataclass(frozen=True)
class TimeUsedUp:
    """The turn's working time is over while something works for it, which has to end."""


@dataclass(frozen=True, kw_only=True)
class CallsCounted:
    """Tool calls that the sub-agent of a call has made, in place of those that were set aside for it."""

    call_id: str
    count: int
