"""Rewinds: what becomes of the calls that a conversation is cut before, and the event that says so. Every model is frozen."""

import operator
from typing import Final, Literal

from pydantic import Field, JsonValue

from perdure.workflows.vocabulary.event_base import EventBase
from perdure.workflows.vocabulary.parts import Frozen

#: The branch on which every session begins.
FIRST_BRANCH: Final = "b1"
#: Why another branch goes on. `rewind`: somebody went back to a message. `back`: somebody returned to an earlier branch.
#: `retry`: what a failed or stopped step had left was replaced by another try.
RewindCause = Literal["rewind", "back", "retry"]


class Undone(Frozen):
    """A call whose effect another call took back."""

    call_id: str
    name: str
    #: The tool that took it back.
    by: str
    #: Its call.
    undo_call_id: str


class Standing(Frozen):
    """A call whose effect still stands, or may."""

    call_id: str
    name: str
    #: Long ones in short.
    args: dict[str, JsonValue]
    #: In words.
    why: str


class PlannedUndo(Frozen):
    """A call that is to be taken back."""

    call_id: str
    name: str
    #: As the call ran with them; long ones in short.
    args: dict[str, JsonValue]
    #: The tool that takes it back, and what that is given.
    by: str
    given: dict[str, JsonValue]
    #: The id of the call that takes it back.
    undo_call_id: str


class TranscriptRewound(EventBase):
    """The conversation goes on along another branch: the first `kept` messages stay; `message_id` and later ones leave."""

    type: Literal["transcript.rewound"] = "transcript.rewound"
    #: The first message that leaves, or, where none does, the first that comes back.
    message_id: str
    #: The branch that goes on. One that was there before (`cause: back`) has its messages again, as they were.
    branch: str
    #: The branch that is left, which stays as it is.
    left: str
    #: Messages that stay, on both branches.
    kept: int
    #: Why another branch goes on.
    cause: RewindCause
    #: Calls of the part that is left whose effects were taken back, the last one first.
    undone: tuple[Undone, ...] = Field(default=(), exclude_if=operator.not_)
    #: Calls of the part that is left whose effects still stand: the first of them.
    stands: tuple[Standing, ...] = Field(default=(), exclude_if=operator.not_)
    #: How many further calls still stand, by tool.
    stands_more: dict[str, int] = Field(default={}, exclude_if=operator.not_)
    #: With `back`: calls of the branch that goes on again which were taken back since it was left.
    undone_since: tuple[Undone, ...] = Field(default=(), exclude_if=operator.not_)
