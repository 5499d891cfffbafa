"""What a session wants done outside of itself: one frozen record each, all of them open at once if need be.

`begin` makes them, `running/effects` carries them out, and `settle` says what their outcome means. Each has a key that is
its own among those that are open.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from perdure.workflows.core.state.handlers import Finishing
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.tools import ToolUse
from perdure.workflows.protocol.activities import (
    CallMcpToolInput,
    LoadAgentInput,
    OpenAgentInput,
    TakeAnswerInput,
    ToolsChangedInput,
)
from perdure.workflows.protocol.checked_answers import CheckAnswerInput
from perdure.workflows.protocol.current_agent import CurrentAgentInput
from perdure.workflows.protocol.purses import DrawLeases
from perdure.workflows.protocol.sealing import SealInput
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.parts import ToolCall
from perdure.workflows.vocabulary.tool_context import ToolContext

AGENT: Final = "agent"
RENEWAL: Final = "renewal"
TOOLS: Final = "tools"
PURSES: Final = "purses"
SEAL: Final = "seal"
RESULT: Final = "result"


@dataclass(frozen=True)
class AskModel:
    """One model call, with what the session may tell it within this process."""

    record: StepRecord

    @property
    def key(self) -> str:
        return self.record.step_id


@dataclass(frozen=True)
class LoadDefinition:
    request: LoadAgentInput
    key: str = AGENT


@dataclass(frozen=True)
class FindDefinition:
    """Which definition the agent has now."""

    request: CurrentAgentInput
    key: str = RENEWAL


@dataclass(frozen=True)
class CompareTools:
    """Whether MCP servers list other tools than the session knows."""

    request: ToolsChangedInput
    key: str = TOOLS


@dataclass(frozen=True)
class RunActivity:
    """A tool that is an activity of our own workers."""

    call: ToolCall
    use: ToolUse
    activity_id: str
    args: dict[str, JsonValue]
    #: The tool runs only as long as this is the sha256 of what it says of itself.
    spec_sha256: str | None
    #: For a tool that asks for it.
    context: ToolContext | None = None

    @property
    def key(self) -> str:
        return self.call.call_id


@dataclass(frozen=True)
class RunRemote:
    """A tool that is an activity of another's worker."""

    call: ToolCall
    use: ToolUse
    activity_id: str
    #: For a tool whose definition gives it one.
    context: ToolContext | None = None

    @property
    def key(self) -> str:
        return self.call.call_id


@dataclass(frozen=True)
class CallServer:
    """A tool of an MCP server."""

    call: ToolCall
    use: ToolUse
    activity_id: str
    request: CallMcpToolInput

    @property
    def key(self) -> str:
        return self.call.call_id


@dataclass(frozen=True)
class OpenAgent:
    """What another agent is given by a call."""

    request: OpenAgentInput

    @property
    def key(self) -> str:
        return self.request.call_id


@dataclass(frozen=True)
class RunSession:
    """The session of a sub-agent, from its start to its end."""

    call_id: str
    new: NewSession
    #: Its model is the demo model.
    demo: bool

    @property
    def key(self) -> str:
        return self.call_id


@dataclass(frozen=True)
class StoreAnswer:
    """A sub-agent's long answer is put away in this session's name."""

    request: TakeAnswerInput

    @property
    def key(self) -> str:
        return self.request.call_id


@dataclass(frozen=True)
class AdoptAgent:
    """The definition of the agent that takes the session over."""

    call_id: str
    request: LoadAgentInput

    @property
    def key(self) -> str:
        return self.call_id


@dataclass(frozen=True)
class Rehearse:
    """A call whose result whoever drives the session has already; see `SessionState.rehearsal`."""

    call: ToolCall

    @property
    def key(self) -> str:
        return self.call.call_id


@dataclass(frozen=True)
class CheckAnswer:
    """Whether a result that a handler gives fits."""

    request: CheckAnswerInput
    key: str = RESULT


@dataclass(frozen=True)
class AskPurses:
    """Leases of the purses of the session's user and tenant."""

    request: DrawLeases
    key: str = PURSES

    @property
    def closes(self) -> bool:
        """Everything is given back."""
        return any(draw.closes for draw in self.request.draws.values())


@dataclass(frozen=True)
class SealPart:
    """A part of the session's past is put into the blob store."""

    request: SealInput
    key: str = SEAL


Effect = (
    AskModel
    | LoadDefinition
    | FindDefinition
    | CompareTools
    | RunActivity
    | RunRemote
    | CallServer
    | OpenAgent
    | RunSession
    | StoreAnswer
    | AdoptAgent
    | Rehearse
    | CheckAnswer
    | AskPurses
    | SealPart
)


def awaited(state: SessionState) -> frozenset[str]:
    """Keys of the effects whose outcome the session waits for. What comes of any other is dropped."""
    keys: set[str] = set()
    if state.slot.loading:
        keys.add(AGENT)
    if state.slot.renewal is not None and state.slot.renewal.open:
        keys.add(RENEWAL)
    if state.leases.drawing is not None:
        keys.add(PURSES)
    if state.sealing.open is not None:
        keys.add(SEAL)
    turn = state.turn
    if turn is not None:
        keys |= turn.open_calls
        if turn.tools == "asking":
            keys.add(TOOLS)
        if turn.run is not None and isinstance(turn.run.doing, Finishing) and turn.run.doing.asked:
            keys.add(RESULT)
        if turn.step is not None and not turn.between_models:
            keys.add(turn.step.step_id)
    compaction = state.context.open
    if compaction is not None and not compaction.between:
        keys.add(compaction.record.step_id)
    return frozenset(keys)
