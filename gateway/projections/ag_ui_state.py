"""The state that AG-UI's clients are shown of a session, and what its models used. Pure."""

from dataclasses import dataclass, field
from typing import Any

from perdure.workflows.protocol.queries import SnapshotPage
from perdure.workflows.vocabulary.events import Event, StepFinished, TodoUpdated, ToolFinished
from perdure.workflows.vocabulary.parts import SessionStatus, Usage
from perdure.workflows.vocabulary.todo import TodoItem


@dataclass(slots=True)
class State:
    """A session's state as of `seq`; events up to there count in it already."""

    session_id: str
    agent: str
    status: SessionStatus = "working"
    todo: tuple[TodoItem, ...] = ()
    #: Dollars; None: a price is unknown.
    cost_usd: float | None = 0.0
    seq: int = 0

    def reset(self, page: SnapshotPage) -> None:
        self.agent, self.status, self.todo = page.agent, page.status, page.todo
        self.cost_usd, self.seq = page.cost_usd, page.seq

    def follow(self, event: Event) -> bool:
        """Whether the state is another one now."""
        if event.seq <= self.seq:
            return False
        match event:
            case TodoUpdated():
                self.todo = event.items
                return True
            case StepFinished():
                return self._spend(event.cost_usd)
            case ToolFinished() if event.usage is not None:
                return self._spend(event.cost_usd)
            case _:
                return False

    def _spend(self, cost_usd: float | None) -> bool:
        before = self.cost_usd
        self.cost_usd = None if before is None or cost_usd is None else before + cost_usd
        return self.cost_usd != before

    def json(self) -> dict[str, Any]:
        return {
            "session_id": self.session_id,
            "agent": self.agent,
            "status": self.status,
            "todo": [item.model_dump(mode="json") for item in self.todo],
            "cost_usd": self.cost_usd,
        }


#: The fields of the state, which clients send back.
FIELDS = frozenset({"session_id", "agent", "status", "todo", "cost_usd"})


@dataclass(slots=True)
class Used:
    """What models used in a run, by `provider/model`; what sub-agents used has no name."""

    _by_model: dict[str, Usage] = field(default_factory=dict)

    def follow(self, event: Event) -> None:
        match event:
            case StepFinished():
                self._add(event.model, event.usage)
            case ToolFinished() if event.usage is not None:
                self._add("", event.usage)
            case _:
                pass

    def json(self) -> list[dict[str, Any]]:
        return [_usage(model, usage) for model, usage in self._by_model.items() if usage != Usage()]

    def _add(self, model: str, usage: Usage) -> None:
        self._by_model[model] = self._by_model.get(model, Usage()) + usage


def _usage(model: str, usage: Usage) -> dict[str, Any]:
    provider, _, name = model.partition("/")
    named = {"provider": provider, "model": name} if name else {"model": model} if model else {}
    return {
        **named,
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedInputTokens": usage.cached_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
