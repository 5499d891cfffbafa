"""What the next thing that a session does takes at worst. Pure."""

from dataclasses import dataclass

from perdure.workflows.core.state.record import Record


@dataclass(frozen=True, kw_only=True)
class Need(Record):
    #: None: the price of the model is unknown.
    cost_usd: float | None = 0.0
    #: Input and output together.
    tokens: int = 0
    tool_calls: int = 0
