"""What changes a session because its conversation is made to fit its model's context window."""

from dataclasses import dataclass

from perdure.workflows.core.state.context import Mark, Measured, Overflow
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.steps import StepRecord, Tried


@dataclass(frozen=True, kw_only=True)
class ContextMeasured:
    """A server counted the tokens of the last request."""

    measured: Measured


@dataclass(frozen=True, kw_only=True)
class Overflowed:
    """The turn's last request was too long for its model; it goes on with one that shows less."""

    overflow: Overflow
    model: str
    #: What its model can read at once, as far as this tells.
    window: int | None = None
    #: With what the error said of the request.
    measured: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class CompactionOpened:
    """A model is asked for a summary of the messages before `until`."""

    record: StepRecord
    candidate: int
    until: Mark


@dataclass(frozen=True, kw_only=True)
class CompactionGivenUp:
    """The model of the open compaction gave no summary; the next one is to be asked."""

    tried: Tried
    #: What it can read at once, where its failure said so.
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class CompactionPassedOn:
    """Another model, or the same one with less of the conversation, gets the open compaction."""

    record: StepRecord
    candidate: int
    until: Mark


@dataclass(frozen=True)
class CompactionEnding:
    """The model call of the open compaction was told to end."""


@dataclass(frozen=True, kw_only=True)
class CompactionAbandoned:
    """The open compaction is over without a summary."""

    spent: Spent
    #: Tokens of the next request; 0: it was not given up for want of a summary.
    tokens: int = 0
