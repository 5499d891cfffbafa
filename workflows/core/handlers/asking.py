"""How a handler asks a person, what settles its question, and how it goes on. Pure.

Rule 1: the question waits without a turn, and nothing waits for it but its handler.
Rule 2: it is settled once: by an answer, by its time, or because nobody will answer any more.
Rule 3: what came of it is kept until the handler has a turn again. No answer is an error of its block.
"""

from datetime import datetime
from typing import Final

from perdure.workflows.core.approvers import excluded, refusal
from perdure.workflows.core.changes import CallerTraced, QuestionSettled, TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handler_changes import HandlerAnswered, HandlerMoved, HandlerResumed
from perdure.workflows.core.state.handlers import AskingPerson, HandlerRun, Reply
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.signals import Answer
from perdure.workflows.vocabulary.errors import DENIED, EXPIRED, HANDLER_INVALID
from perdure.workflows.vocabulary.events import TurnStarted
from perdure.workflows.vocabulary.ids import ask_id, turn_id
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.question_events import InputReceived, InputRequested
from perdure.workflows.vocabulary.questions import By, Question

#: Questions of handlers that a session has open at a time.
MOST_OPEN: Final = 100
#: What `input.received` says where nobody answered.
_EXPIRED: Final = "expired"
_DECLINED: Final = "declined"


def questions_of(state: SessionState) -> tuple[Question, ...]:
    """The open questions of handlers, the oldest first."""
    return tuple(one for one in state.questions.open if one.subject == "handler")


def next_expiry(state: SessionState) -> datetime | None:
    """When the first of them expires."""
    return min((one.expires_at for one in questions_of(state) if one.expires_at is not None), default=None)


def ask(draft: Draft, run: HandlerRun, asking: AskingPerson) -> bool:
    """Puts the question of a handler. Whether the turn ends: it does not where nobody can be asked."""
    if draft.state.questions.muted:
        message = f"{asking.at}: nobody is asked: whoever would be has meanwhile said something else."
        draft.add(TurnBroken(error=ToolError(type=DENIED, message=message)))
        return False
    if len(questions_of(draft.state)) >= MOST_OPEN:
        message = f"{asking.at}: handlers of this session have {MOST_OPEN} questions open already"
        draft.add(TurnBroken(error=ToolError(type=HANDLER_INVALID, message=message)))
        return False
    asked = ask_id(draft.turn.turn_id)
    draft.add(
        InputRequested(
            **draft.stamp,
            question_id=asked,
            subject="handler",
            form="schema",
            name=asking.into,
            args={},
            prompt=asking.prompt,
            output=asking.form,
            expires_at=None if asking.expires is None else draft.now + asking.expires,
            roles=asking.by,
            not_by=excluded(draft.state, asking),
        )
    )
    draft.add(HandlerMoved(run=replace(run, doing=replace(asking, question_id=asked))))
    return True


def answer(draft: Draft, command: Answer) -> bool:
    """Whether what is answered is an open question of a handler; then it is settled, unless by somebody who may not answer,
    or by what no variable holds."""
    run, question = draft.state.handlers.asking(command.question_id), draft.state.questions.find(command.question_id)
    if run is None or question is None:
        return False
    assert isinstance(run.doing, AskingPerson)
    if refusal(question, command.by) is not None or (command.approved and command.blob is not None):
        return True
    if command.approved:
        _settle(draft, question, Reply(value=command.result, traceparent=command.traceparent), None, command)
        return True
    told = f" The reason given: {command.reason}" if command.reason else ""
    error = ToolError(type=DENIED, message=f"{run.doing.at}: whoever was asked declined.{told}")
    reply = Reply(error=error, traceparent=command.traceparent)
    _settle(draft, question, reply, command.reason or _DECLINED, command)
    return True


def expire(draft: Draft) -> None:
    """Settles the questions whose time is over."""
    for question in questions_of(draft.state):
        run = draft.state.handlers.asking(question.question_id)
        if question.expires_at is None or question.expires_at > draft.now:
            continue
        at = run.doing.at if run is not None and isinstance(run.doing, AskingPerson) else ""
        error = ToolError(type=EXPIRED, message=f"{at}: nobody answered in time")
        _settle(draft, question, Reply(error=error), _EXPIRED)


def withdraw(draft: Draft, reason: str, *, left: bool = False) -> None:
    """Settles the questions that nobody will answer any more. `left`: only those whose handlers have ended. The others fail
    with an error."""
    for question in questions_of(draft.state):
        run = draft.state.handlers.asking(question.question_id)
        if left and run is not None:
            continue
        at = run.doing.at if run is not None and isinstance(run.doing, AskingPerson) else ""
        error = ToolError(type=DENIED, message=f"{at}: the question was taken back: {reason}")
        _settle(draft, question, Reply(error=error), reason)


def resume(draft: Draft, question_id: str) -> None:
    """Begins the turn in which the handler goes on whose question this was, and is settled."""
    run = draft.state.handlers.replied
    assert run is not None
    assert isinstance(run.doing, AskingPerson)
    assert run.doing.question_id == question_id
    reply = run.doing.reply
    assert reply is not None
    turn = turn_id(draft.state.turns + 1)
    came = "timer" if reply.error is not None and reply.error.type == EXPIRED else "answer"
    started = {"cause": came, "handler": run.handler}
    draft.add(TurnStarted.model_validate({**draft.stamp, "turn_id": turn, **started}))
    if reply.traceparent is not None:
        draft.add(CallerTraced(traceparent=reply.traceparent))
    draft.add(HandlerResumed(run=run))


def _settle(draft: Draft, question: Question, reply: Reply, reason: str | None, command: Answer | None = None) -> None:
    by: By | None = command.by if command is not None else None
    draft.add(
        QuestionSettled(question_id=question.question_id, answer_id=command.id if command is not None else None),
        HandlerAnswered(question_id=question.question_id, reply=reply),
    )
    # Of no turn: the one that asked has ended, and whichever runs has nothing to do with it.
    stamp = draft.stamp | {"turn_id": None}
    draft.add(InputReceived(**stamp, question_id=question.question_id, value=reply.value, by=by, reason=reason))
