"""What the routes of rewinds and branches answer."""

from datetime import datetime

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen, Message, absent
from perdure.workflows.vocabulary.rewinds import RewindCause


class RewindTaken(Frozen):
    session_id: str
    rewind_id: str
    #: A cursor from before the rewind's first event.
    seq: int
    #: The branch that goes on once it has happened.
    branch: str
    #: The message that begins the turn that follows; absent where none does.
    message_id: str | None = Field(default=None, exclude_if=absent)


class TurnRetried(Frozen):
    session_id: str
    retry_id: str
    #: A cursor from before the first event of the try.
    seq: int
    #: The branch that goes on.
    branch: str
    #: The new turn.
    turn_id: str


class BranchEntry(Frozen):
    #: Its id, such as `b2`. Every session begins on `b1`.
    branch: str
    #: The branch that it parted from; null for the first.
    parent: str | None
    #: Why it was begun: somebody went back to a message (`rewind`), or a failed or stopped turn was continued (`retry`). Null
    #: for the first.
    cause: RewindCause | None
    #: The parent's message that its own messages replace; null for the first.
    message_id: str | None
    #: Messages that it shares with its parent.
    position: int
    #: How many messages it has.
    messages: int
    #: When it was begun.
    created_at: datetime
    #: One line of its last message.
    words: str


class BranchPlace(Frozen):
    """A place where other branches part from the current one."""

    #: Messages before it.
    position: int
    #: The message there, on the current branch; null if there is none, or if it is sealed.
    message_id: str | None
    #: For each message that was ever said there, in order, the branch that continued it last; `2/3` is the second of three.
    siblings: tuple[str, ...]
    #: Which of them is the current branch, from 0.
    current: int


class BranchList(Frozen):
    session_id: str
    #: The branch on which the conversation goes on.
    current: str
    #: The oldest first.
    branches: tuple[BranchEntry, ...]
    #: Where other branches part from the current one. A message that was sent again unchanged is the same message, so there
    #: the branches part at its answer.
    places: tuple[BranchPlace, ...]


class BranchMessages(Frozen):
    """Answer to `GET …/branches/{branch}`."""

    session_id: str
    branch: str
    messages: tuple[Message, ...]
    #: Messages of the branch that come before these.
    before: int
