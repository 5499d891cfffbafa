"""What goes into a session: what it starts with, and its signals, one frozen model each.

Every signal carries an id made by its caller; a repeated id does nothing.
"""

import operator
from typing import Final

from pydantic import Field, JsonValue

from perdure.workflows.definition.agent import Limits
from perdure.workflows.definition.limits import PurseLimits
from perdure.workflows.definition.partial_limits import PartialLimits
from perdure.workflows.protocol.purses import PurseChanged, Scope
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.parts import (
    BlobRef,
    Frozen,
    Id,
    Part,
    absent,
)
from perdure.workflows.vocabulary.questions import Answerer, By

#: The version of what sessions do by themselves. A session keeps to the one that it was begun with, until its next run.
#:
#: 1. The past is sealed, conversations are summarised, a turn asks at a limit, loops end, and a session that rests closes.
#: 2. Working time ends what runs. A summary is paid for by the turn that began it, and a guessed window is doubted at each
#:    refusal. A session that rests leaves the purses that refused it, another model settles a question about a quota, an
#:    answer that raises a cap changes no other limit, and a branch that is gone back to recalls its task.
#: 3. Whoever may not answer is named as they are when they answer.
#: 4. A session that began without a message is called in lists what its first message says.
BEHAVIOR: Final = 4


class SpendingCommand(Frozen):
    """A command that lets a session spend: a turn begins with it, or may go on."""

    #: Purses that have caps of their own, which the session has to ask. The sender looks them up.
    purses: tuple[Scope, ...] = Field(default=(), exclude_if=operator.not_)


class SendMessage(SpendingCommand):
    message_id: Id
    parts: tuple[Part, ...]
    #: sha256 of what the caller sent, to tell a repeat from another message under the same id.
    content_sha256: str
    #: The `seq` that the caller was given as cursor; a repeat is given the same.
    cursor: int
    #: The definition that the gateway knows; if it differs from the session's, it is loaded before the next turn.
    digest: str | None = None
    #: The role that shall answer this message; None: the session's.
    model: str | None = Field(default=None, exclude_if=absent)
    #: The caller's span, as W3C Trace Context writes it.
    traceparent: str | None = Field(default=None, exclude_if=absent)
    #: What becomes of it while the session works; None: what the definition says.
    busy: Busy | None = Field(default=None, exclude_if=absent)
    #: The subject that asks for it, where callers are authenticated; see `core/approvers.py`.
    sender: str | None = Field(default=None, exclude_if=absent)
    #: What its client calls the run that it begins.
    run_id: Id | None = Field(default=None, exclude_if=absent)


class Trigger(SpendingCommand):
    """One of the agent's handlers is to be carried out, in a turn of its own; or an event has come that handlers wait for."""

    #: Made by the caller; of the same kind as the ids of messages, among which it is unique.
    id: Id
    #: The handler, or the event.
    name: str
    #: It is an event, which begins no turn by itself.
    event: bool = Field(default=False, exclude_if=operator.not_)
    inputs: dict[str, JsonValue] = {}
    #: sha256 of what the caller sent, to tell a repeat from another trigger under the same id.
    content_sha256: str
    #: The `seq` that the caller was given as cursor; a repeat is given the same.
    cursor: int
    digest: str | None = None
    traceparent: str | None = None
    #: The subject that asks for it, where callers are authenticated; see `core/approvers.py`.
    sender: str | None = None


class EditMessage(Frozen):
    """Other parts for a message that still waits."""

    id: Id
    message_id: Id
    parts: tuple[Part, ...]
    #: The subject that asks for it, where callers are authenticated; see `core/approvers.py`.
    sender: str | None = Field(default=None, exclude_if=absent)


class WithdrawMessage(Frozen):
    """A message that still waits is taken back."""

    id: Id
    message_id: Id


class Supersede(Frozen):
    """To a sub-agent's session: whoever could answer its questions has said something else, so nobody will."""

    id: Id


class Stop(Frozen):
    id: Id
    #: Only if this turn runs; None: whichever runs.
    turn_id: str | None = None


class Configure(SpendingCommand):
    """What is None stays as it is."""

    id: Id
    model: str | None = None
    metadata: dict[str, JsonValue] | None = None
    #: The time zone that the metadata names; counts where metadata is given.
    timezone: str | None = Field(default=None, exclude_if=absent)
    #: Pins the session to this definition.
    digest: str | None = None
    #: What the session is called from now on.
    title: str | None = Field(default=None, exclude_if=absent)
    #: All of them, in place of those that hold.
    limits: Limits | None = None
    #: Those that change; all others go on as they are, and with the definition.
    limit_changes: PartialLimits = Field(default={}, exclude_if=operator.not_)
    #: Who changes the limits.
    by: Answerer | None = Field(default=None, exclude_if=absent)


class Close(Frozen):
    id: Id
    reason: str = "closed"


class Answer(SpendingCommand):
    """Answers a question; only the first answer counts."""

    id: Id
    question_id: str
    #: An approval, or False: no result will come.
    approved: bool = True
    reason: str | None = None
    #: In place of the arguments that the model gave.
    args: dict[str, JsonValue] | None = None
    #: Holds a tool call's part with those arguments where they are too long to travel; `args` are empty then.
    args_blob: BlobRef | None = Field(default=None, exclude_if=absent)
    #: Allows all further calls of the tool in this session, or those with the same arguments, as the definition says.
    remember: bool = False
    #: What an `input` question asked for; a big one is folded, see `perdure.workflows.vocabulary.parts`.
    result: JsonValue = None
    blob: BlobRef | None = None
    by: Answerer | None = None
    #: The caller's span, as W3C Trace Context writes it.
    traceparent: str | None = Field(default=None, exclude_if=absent)


class CutCall(Frozen):
    """A call of a part of the conversation that is to leave, with its result."""

    call_id: str
    name: str
    #: As it ran with them; None: they are too long, or only known in short.
    args: dict[str, JsonValue] | None
    #: None also where it is too long.
    output: JsonValue = None
    is_error: bool = False
    #: `output` is the whole result.
    whole: bool = True


class Rewind(SpendingCommand):
    """Lets the conversation go on from a message of the branch that goes on, or on an earlier branch.

    A turn that runs is stopped first; messages that wait go on waiting."""

    id: Id
    #: sha256 of what the caller sent, to tell a repeat from another command under the same id.
    content_sha256: str
    #: The `seq` that the caller was given as cursor; a repeat is given the same.
    cursor: int
    #: The message that leaves, with all after it; None: a branch is gone back to.
    message_id: str | None = None
    #: Of that message; see `protocol/paths.py`.
    number: int = 0
    #: The branch that is gone back to.
    branch: str | None = None
    #: The id of the message that begins the next turn, and its parts; no parts: the model answers anew.
    new_id: Id | None = None
    parts: tuple[Part, ...] | None = None
    #: That message is the one that leaves.
    again: bool = False
    #: It is a note that the session wrote itself; counts where the session does not hold it any more.
    own: bool = Field(default=False, exclude_if=operator.not_)
    #: The turn whose answer the model gives anew.
    continues: str | None = None
    #: Calls of the part that leaves.
    calls: tuple[CutCall, ...] = ()
    #: Further ones that may stand, by tool.
    more: dict[str, int] = Field(default={}, exclude_if=operator.not_)
    #: Whether calls are taken back; None: a person is asked where there are any.
    undo: bool | None = None
    digest: str | None = None
    #: The role that answers; None: the session's.
    model: str | None = None
    traceparent: str | None = None
    #: The subject that asks for it, where callers are authenticated; see `core/approvers.py`.
    sender: str | None = Field(default=None, exclude_if=absent)
    #: Whoever asks for it; older versions did not say, and whoever may answer took calls back for them.
    by: By | None = Field(default=None, exclude_if=absent)


class Retry(SpendingCommand):
    """Runs the last turn on, which failed or was stopped."""

    id: Id
    content_sha256: str
    cursor: int
    turn_id: str
    digest: str | None = None
    model: str | None = None
    traceparent: str | None = None
    #: The subject that asks for it, where callers are authenticated; see `core/approvers.py`.
    sender: str | None = Field(default=None, exclude_if=absent)


class CancelTimer(Frozen):
    id: Id
    timer_id: str


class GiveFeedback(Frozen):
    """What somebody thinks of a turn; the latest counts."""

    id: Id
    turn_id: str
    score: float
    text: str | None = None
    by: Answerer | None = None


#: What a caller tells a session that lets it spend.
Spending = SendMessage | Trigger | Answer | Configure | Rewind | Retry
#: What a caller can tell it beside.
CallerCommand = EditMessage | WithdrawMessage | Stop | CancelTimer | GiveFeedback | Close
#: What it is told by the sessions and purses around it, too.
Command = CallerCommand | Answer | Configure | Rewind | Retry | Supersede | PurseChanged
Signal = SendMessage | Trigger | Command


class Parent(Frozen):
    """The call that a sub-agent's session answers."""

    session_id: str
    call_id: str
    #: Sessions above this one.
    depth: int
    #: Dollars that it may spend; None: its own limits alone hold.
    cap_usd: float | None = None
    #: The same in tokens and in tool calls.
    cap_tokens: int | None = Field(default=None, exclude_if=absent)
    cap_tool_calls: int | None = Field(default=None, exclude_if=absent)
    #: Subjects who asked the sessions above this one for something; see `core/approvers.py`.
    requesters: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)


class ForkedFrom(Frozen):
    """The session and the turn that a fork was made from."""

    session_id: str
    turn_id: str


class NewSession(Frozen):
    """What the gateway, or a session that calls a sub-agent, starts a session with."""

    tenant: Id
    session_id: Id
    agent: str
    digest: str
    inputs: dict[str, JsonValue] = {}
    user: str | None = None
    metadata: dict[str, JsonValue] = {}
    #: IANA name; None: UTC.
    timezone: str | None = Field(default=None, exclude_if=absent)
    #: Its model is told the date, unless the definition says otherwise; older versions told none.
    dated: bool = Field(default=False, exclude_if=operator.not_)
    #: `BEHAVIOR` of whoever starts it; 0: of versions that did not say.
    behavior: int = Field(default=0, exclude_if=operator.not_)
    message: SendMessage | None = None
    #: Set for a sub-agent's session, which closes by itself once it has answered.
    parent: Parent | None = None
    #: An agent is run once for a result: the session closes by itself, as a sub-agent's does.
    once: bool = Field(default=False, exclude_if=operator.not_)
    #: Purses that have caps of their own; for a sub-agent, also those that the definitions above it cap, with those caps.
    purses: dict[Scope, tuple[PurseLimits, ...]] = Field(default={}, exclude_if=operator.not_)
    #: History events after which the session continues as new at its next rest point.
    continue_as_new_after: int = 1500
    forked_from: ForkedFrom | None = None
