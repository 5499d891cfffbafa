"""What is asked of a session's branches, and what it answers."""

import operator
from datetime import datetime

from pydantic import Field

from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary.parts import Frozen
from perdure.workflows.vocabulary.rewinds import RewindCause


class BranchesRequest(Frozen):
    #: A branch whose path is asked for.
    branch: str | None = None
    #: A rewind or a retry, of which it is asked whether it was taken in.
    command_id: str | None = None


class BranchLine(Frozen):
    branch: str
    #: The branch that it parted from; None: the first one.
    parent: str | None
    cause: RewindCause | None
    #: The parent's message in whose place its own ones stand.
    message_id: str | None
    #: Messages that it shares with its parent.
    position: int
    #: Messages that it has.
    messages: int
    created_at: datetime
    #: One line of its last message.
    words: str


class Place(Frozen):
    """Where branches part from the one that goes on."""

    #: Of the first message that they do not share.
    position: int
    #: Of that message on the branch that goes on; None: there is none, or the session does not hold it any more.
    message_id: str | None
    #: For each of what stands there, in the order in which it was said, the branch that went on with it last.
    siblings: tuple[str, ...]
    #: The place of the branch that goes on among the siblings.
    current: int


class Taken(Frozen):
    """A rewind or a retry that a session has taken in."""

    content_sha256: str
    cursor: int
    #: The branch that goes on by it.
    branch: str
    message_id: str | None
    turn_id: str | None


class BranchesPage(Frozen):
    """Answer to `branches(request)`; there are few enough of them for one page."""

    current: str
    branches: tuple[BranchLine, ...]
    places: tuple[Place, ...]
    #: Of the branch that was asked for: its path, and how many messages it has.
    path: Path | None = None
    count: int = 0
    seq: int
    #: Closed, or told to close.
    closed: bool
    #: There can be no more branches.
    full: bool
    #: The branch that will go on once a rewind that waits has happened.
    rewinding: str | None
    #: The turn that runs.
    turn_id: str | None
    #: The last turn that ended on the branch that goes on, and the one that can be run on.
    last_turn: str | None
    retried: str | None
    #: The command that was asked for; None: it was not taken in.
    taken: Taken | None = None
    #: Where a command was asked for: calls that were taken back, or may have been, and are not taken back again.
    undone: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
