"""What a block of a handler may use by itself, and what its turn had used before it."""

from dataclasses import dataclass

from perdure.workflows.core.state.record import Record


@dataclass(frozen=True, kw_only=True)
class Allotment(Record):
    #: At most, counted from where the block began; None: there is no limit of its own.
    steps: int | None = None
    cost_usd: float | None = None
    tokens: int | None = None
    #: What the turn had used then.
    steps_before: int = 0
    cost_usd_before: float = 0
    tokens_before: int = 0
