"""What a session, or a turn of it, has used and spent."""

from dataclasses import dataclass, field
from typing import TypeVar

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.vocabulary.parts import Usage

Amount = TypeVar("Amount", int, float)


@dataclass(frozen=True, kw_only=True)
class Books(Record):
    usage: Usage = field(default_factory=Usage)
    #: Dollars that are known to be spent.
    known_usd: float = 0.0
    #: A price was unknown, so more was spent than is known.
    incomplete: bool = False
    #: Tool calls that were allowed to run, those of sub-agents included.
    tool_calls: int = 0
    #: What is set aside for sub-agents that run, by call id, and for model calls beside the turn's, by step id: dollars,
    #: tokens, tool calls.
    set_aside: dict[str, float] = field(default_factory=dict)
    tokens_aside: dict[str, int] = field(default_factory=dict)
    calls_aside: dict[str, int] = field(default_factory=dict)

    @property
    def cost_usd(self) -> float | None:
        """Dollars; None once a price was unknown."""
        return None if self.incomplete else self.known_usd

    @property
    def tokens(self) -> int:
        return self.usage.input_tokens + self.usage.output_tokens

    def spent(self, usage: Usage, cost_usd: float | None) -> "Books":
        return replace(
            self,
            usage=self.usage + usage,
            known_usd=self.known_usd + (cost_usd or 0),
            incomplete=self.incomplete or cost_usd is None,
        )

    def called(self, tool_calls: int) -> "Books":
        return replace(self, tool_calls=self.tool_calls + tool_calls)

    def called_by(self, call_id: str) -> "Books":
        """With the tool calls of this sub-agent known, so that none are set aside for it."""
        return replace(self, calls_aside=_without(self.calls_aside, call_id))

    def reserved(self, call_id: str, usd: float | None, tokens: int | None, tool_calls: int | None) -> "Books":
        """What is None has no cap, so nothing of it is set aside."""
        return replace(
            self,
            set_aside=self.set_aside if usd is None else {**self.set_aside, call_id: usd},
            tokens_aside=self.tokens_aside if tokens is None else {**self.tokens_aside, call_id: tokens},
            calls_aside=self.calls_aside if tool_calls is None else {**self.calls_aside, call_id: tool_calls},
        )

    def released(self, call_id: str) -> "Books":
        if not any(call_id in aside for aside in (self.set_aside, self.tokens_aside, self.calls_aside)):
            return self
        return replace(
            self,
            set_aside=_without(self.set_aside, call_id),
            tokens_aside=_without(self.tokens_aside, call_id),
            calls_aside=_without(self.calls_aside, call_id),
        )


def _without(aside: dict[str, Amount], call_id: str) -> dict[str, Amount]:
    return {one: amount for one, amount in aside.items() if one != call_id}
