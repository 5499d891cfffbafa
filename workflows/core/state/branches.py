"""The branches of a conversation: which goes on, and which were left.

Rule: a branch that is left stays as it was, so `made` bounds what a session keeps of them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from perdure.workflows.core.state.handlers import HandlerRun
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary.events import TurnEnd
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.rewinds import FIRST_BRANCH, RewindCause, Undone

#: Branches of one session.
MAX_BRANCHES: Final = 200
#: Of the last moves between branches, and of the last calls that were taken back.
KEPT_SWITCHES: Final = 400
KEPT_UNDOS: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Ended(Record):
    """The last turn of a branch."""

    turn_id: str
    reason: TurnEnd
    #: Messages of the branch without what the turn's last answers left that did not end well.
    sound: int
    #: The role that its message asked for.
    role: str | None = None
    #: The handler that it carried out.
    handler: str | None = None
    #: Where that stood, so that a retry goes on with it; None: the turn ended well, or its branch was left.
    run: HandlerRun | None = None
    error: ToolError | None = None
    #: Its answer as a checked value, where the definition says its form.
    result: dict[str, JsonValue] | None = None


@dataclass(frozen=True, kw_only=True)
class Branch(Record):
    branch: str
    #: The branch that it parted from; None: the first one.
    parent: str | None = None
    cause: RewindCause | None = None
    #: Messages that it shares with its parent.
    shared: int = 0
    #: The parent's message in whose place its own ones stand.
    message_id: str | None = None
    #: Its first own message is that message again.
    again: bool = False
    created_at: datetime
    #: Of the messages that it had when it was left, and how many these were; of the one that goes on, the transcript knows.
    path: Path = field(default_factory=Path)
    count: int = 0
    #: One line of its last message.
    words: str = ""
    ended: Ended | None = None


@dataclass(frozen=True, kw_only=True)
class Switch(Record):
    """Another branch went on."""

    #: Turns that had ended.
    turns: int
    branch: str
    #: Of that branch then.
    path: Path


@dataclass(frozen=True, kw_only=True)
class Undo(Record):
    """What became of taking a call back."""

    #: How often that was tried.
    tries: int = 0
    #: It may have worked: it is not tried again.
    over: bool = False
    #: It has worked.
    undone: Undone | None = None
    #: The branch that was to be left for it, and how many of its messages were to stay: the call comes behind them.
    left: str = FIRST_BRANCH
    kept: int = 0
    #: Branches that have the call, and whose model has been told.
    told: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Branches(Record):
    #: The one that goes on.
    current: str = FIRST_BRANCH
    #: How many there have been.
    made: int = 1
    #: All of them, in the order of their making; none in a session that was never rewound.
    known: tuple[Branch, ...] = ()
    switches: tuple[Switch, ...] = ()
    #: By the id of the call that was taken back.
    undos: dict[str, Undo] = field(default_factory=dict)

    def find(self, branch: str) -> Branch | None:
        return next((one for one in self.known if one.branch == branch), None)

    def with_branch(self, branch: Branch) -> "Branches":
        """With this one in place of the one with its id, or behind all others."""
        if self.find(branch.branch) is None:
            return replace(self, known=(*self.known, branch))
        return replace(self, known=tuple(branch if one.branch == branch.branch else one for one in self.known))

    def switched(self, switch: Switch) -> "Branches":
        return replace(self, current=switch.branch, switches=(*self.switches, switch)[-KEPT_SWITCHES:])

    def with_undo(self, call_id: str, undo: Undo) -> "Branches":
        undos = {**self.undos, call_id: undo}
        if len(undos) > KEPT_UNDOS:
            del undos[next(iter(undos))]
        return replace(self, undos=undos)
