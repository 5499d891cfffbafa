"""What a session can do so that its conversation fits its model's context window; see `actions.py`."""

from dataclasses import dataclass

from perdure.workflows.core.context.windows import Room
from perdure.workflows.core.state.context import Mark
from perdure.workflows.protocol.compacted import Trim


@dataclass(frozen=True)
class TrimResults:
    """Show less of long results that are old."""

    trim: Trim


@dataclass(frozen=True)
class Compact:
    """Have the older part of the conversation summarised."""

    #: Which of the models that could write the summary is asked, from 0.
    candidate: int
    until: Mark
    #: Tokens of the conversation that it is given at most.
    room: int
    #: Dollars that it costs at worst; None when the price is unknown.
    usd: float | None
    #: Of the model that goes on with the summary.
    fit: Room


@dataclass(frozen=True)
class AskNextSummarizer:
    """The open compaction goes on with the next model that could write the summary, or is given up."""

    step_id: str


@dataclass(frozen=True)
class EndCompaction:
    """The open compaction shall end: nobody needs its summary any more."""

    step_id: str


@dataclass(frozen=True)
class DropOldest:
    """Leave the messages before this position out, because no summary of them can be had."""

    before: int
