"""The agent that a session runs: which definition, which is wanted next, and what is being looked up about it."""

from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.definition.agent import LoadedAgent, ModelDefinition
from perdure.workflows.vocabulary.parts import ToolError

KEPT_AGENTS: Final = 8


@dataclass(frozen=True, kw_only=True)
class TakenOver(Record):
    """Another agent took the session over."""

    by: str
    #: Inputs of the agents that took it over so far, by name.
    inputs: dict[str, dict[str, JsonValue]]
    #: `seq` of the hand-off. A digest from a caller whose cursor is older refers to the agent before.
    at: int


@dataclass(frozen=True, kw_only=True)
class Renewal(Record):
    """A timer's turn asked for the agent's definition of now; a message brings that along."""

    timer_id: str
    #: The answer is awaited.
    open: bool = True


@dataclass(frozen=True, kw_only=True)
class AgentSlot(Record):
    #: The definition that the next turn shall run.
    digest: str
    pinned: bool = False
    #: The definition that runs.
    loaded: LoadedAgent | None = None
    #: Definitions that kept steps ran with, by digest, newest last.
    kept: dict[str, LoadedAgent] = field(default_factory=dict)
    #: The definition has to be loaded again: a worker describes its tools otherwise.
    stale: bool = False
    #: The definition is being loaded.
    loading: bool = False
    #: Why there is no definition.
    error: ToolError | None = None
    #: The role asked for by `configure`; None: the definition's own.
    role: str | None = None
    #: `provider/model` of the last step.
    last_model: str | None = None
    taken: TakenOver | None = None
    renewal: Renewal | None = None

    @property
    def model_role(self) -> str:
        """The role that answers; `configure`'s, unless a newer definition has no such role."""
        if self.loaded is None:
            return self.role or ""
        models = self.loaded.definition.models
        return self.role if self.role in models else self.loaded.definition.model

    @property
    def model(self) -> ModelDefinition | None:
        return self.loaded.definition.models[self.model_role] if self.loaded else None

    @property
    def needs_loading(self) -> bool:
        if self.error is not None:
            return False
        return self.loaded is None or self.stale or self.loaded.digest != self.digest

    def with_loaded(self, agent: LoadedAgent, needed: frozenset[str] = frozenset()) -> "AgentSlot":
        """With this definition running. `needed` are the digests of others that are kept, however old they are."""
        kept = {digest: known for digest, known in self.kept.items() if digest != agent.digest}
        kept[agent.digest] = agent
        old = [digest for digest in kept if digest not in needed and digest != agent.digest]
        for digest in old[: max(len(kept) - KEPT_AGENTS, 0)]:
            del kept[digest]
        return replace(self, loaded=agent, kept=kept, stale=False, loading=False, error=None)
