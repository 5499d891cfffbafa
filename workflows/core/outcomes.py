"""What comes of effects, and of time: one frozen record each. `settle` says what it means."""

from dataclasses import dataclass

from perdure.workflows.core.step import StepFailure
from perdure.workflows.core.sub_answer import SubAnswer
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.activities import OpenedAgent, StepOutput, ToolOutput
from perdure.workflows.protocol.purses import LeasesDrawn, Scope
from perdure.workflows.protocol.sealing import Sealed
from perdure.workflows.vocabulary.elicitation import ServerAsks
from perdure.workflows.vocabulary.parts import ToolError


@dataclass(frozen=True)
class ModelEnded:
    step_id: str
    outcome: StepOutput | StepFailure
    #: Whether later requests leave out what a provider declined; sessions of older versions did not.
    leaves_out: bool = True


@dataclass(frozen=True)
class DefinitionLoaded:
    found: LoadedAgent | ToolError


@dataclass(frozen=True)
class DefinitionFound:
    #: None: it could not be found out.
    digest: str | None
    #: Purses that have caps of their own.
    purses: tuple[Scope, ...] = ()


@dataclass(frozen=True)
class ToolsCompared:
    changed: bool


@dataclass(frozen=True)
class ToolEnded:
    """What a tool, of whatever kind, came to."""

    call_id: str
    outcome: ToolOutput | ServerAsks | ToolError


@dataclass(frozen=True)
class AgentOpened:
    call_id: str
    outcome: OpenedAgent | ToolError


@dataclass(frozen=True)
class SessionEnded:
    """A sub-agent's session is over, or never began."""

    call_id: str
    outcome: SubAnswer | ToolError
    began: bool = True


@dataclass(frozen=True)
class AgentAdopted:
    call_id: str
    outcome: LoadedAgent | ToolError


@dataclass(frozen=True)
class AnswerWeighed:
    """A result that a handler gives has been checked."""

    #: What is wrong with it, or why nobody knows; None: it fits.
    misfit: str | ToolError | None


@dataclass(frozen=True)
class PursesAnswered:
    #: None: they could not be reached.
    answer: LeasesDrawn | None


@dataclass(frozen=True)
class SealingEnded:
    #: None: it could not be done.
    sealed: Sealed | None


@dataclass(frozen=True)
class TimePassed:
    """It is now later than the time that an action waits until."""


Outcome = (
    ModelEnded
    | DefinitionLoaded
    | DefinitionFound
    | ToolsCompared
    | ToolEnded
    | AgentOpened
    | SessionEnded
    | AgentAdopted
    | AnswerWeighed
    | PursesAnswered
    | SealingEnded
    | TimePassed
)
