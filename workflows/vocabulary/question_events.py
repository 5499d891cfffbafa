"""Events of what a session asks somebody outside, and of the answers."""

import operator
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.vocabulary.event_base import EventBase
from perdure.workflows.vocabulary.parts import BlobRef, absent
from perdure.workflows.vocabulary.questions import Again, Answerer, Binding, Form, Question, Remember, Subject


def _of_call(subject: object) -> bool:
    return subject == "call"


class ApprovalRequested(EventBase):
    """A call, or a rewind, waits until a person allows it."""

    type: Literal["approval.requested"] = "approval.requested"
    question_id: str
    #: `rewind`: whether a rewind may take calls back. `name` is `rewind` then, `args` say which, and `call_id` is the branch
    #: that will go on.
    subject: Subject = Field(default="call", exclude_if=_of_call)
    call_id: str
    name: str
    args: dict[str, JsonValue]
    expires_at: datetime | None = None
    #: Holds the call's part where the arguments are too long to travel; `args` are empty then.
    blob: BlobRef | None = Field(default=None, exclude_if=absent)
    #: Why it is asked again.
    reason: Again | None = Field(default=None, exclude_if=absent)
    #: What an answer can allow beyond this call; None: all further calls of the tool.
    remember: Remember | None = Field(default=None, exclude_if=absent)
    bound: Binding | None = Field(default=None, exclude_if=absent)
    #: In words, where the call does not say it.
    prompt: str | None = Field(default=None, exclude_if=absent)
    #: Whoever answers has to hold one of these roles; absent: nobody in particular has to.
    roles: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: And one of each of these, besides: a rewind may take back calls of several tools.
    further_roles: tuple[tuple[str, ...], ...] = Field(default=(), exclude_if=operator.not_)
    #: Subjects who may not answer, for they asked for the call.
    not_by: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question(
            question_id=self.question_id,
            kind="approval",
            subject=self.subject,
            call_id=self.call_id,
            name=self.name,
            args=self.args,
            prompt=self.prompt,
            expires_at=self.expires_at,
            blob=self.blob,
            reason=self.reason,
            remember=self.remember,
            bound=self.bound,
            roles=self.roles,
            further_roles=self.further_roles,
            not_by=self.not_by,
        )


class ApprovalResolved(EventBase):
    """The call may run, or may not."""

    type: Literal["approval.resolved"] = "approval.resolved"
    question_id: str
    call_id: str
    approved: bool
    reason: str | None = None
    #: Who answered; None where nobody did.
    by: Answerer | None = None


class InputRequested(EventBase):
    """A call's result has to come from outside: from the browser or app, or from a person. Or a handler asks a person."""

    type: Literal["input.requested"] = "input.requested"
    question_id: str
    subject: Subject = "call"
    form: Form = "result"
    call_id: str | None = None
    name: str
    args: dict[str, JsonValue]
    prompt: str | None = None
    #: JSON Schema of the answer where the question has one of its own.
    output: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    expires_at: datetime | None = None
    #: Holds the call's part where the arguments are too long to travel; `args` are empty then.
    blob: BlobRef | None = Field(default=None, exclude_if=absent)
    #: Of a handler's: whoever answers has to hold one of these roles; absent: nobody in particular has to.
    roles: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Of a handler's: subjects who may not answer, for they asked the session for something.
    not_by: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question(
            question_id=self.question_id,
            kind="input",
            subject=self.subject,
            form=self.form,
            call_id=self.call_id,
            name=self.name,
            args=self.args,
            prompt=self.prompt,
            output=self.output,
            expires_at=self.expires_at,
            blob=self.blob,
            roles=self.roles,
            not_by=self.not_by,
        )


class InputReceived(EventBase):
    """The answer; a long one in short, for `tool.finished` has the whole. Outside of turns: to what a handler asked."""

    type: Literal["input.received"] = "input.received"
    question_id: str
    value: JsonValue
    #: Who answered; None where nobody did.
    by: Answerer | None = Field(default=None, exclude_if=absent)
    #: Why nobody did: `superseded`, for people have said something else; `stopped`; `settled`, for a turn would not ask about
    #: a limit any more, as where another model answers; of what a handler asked also `expired`. Or what whoever declined has
    #: said, and `declined` where that is nothing and a handler asked.
    reason: str | None = Field(default=None, exclude_if=absent)
