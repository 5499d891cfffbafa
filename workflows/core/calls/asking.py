"""What calls ask of people and apps: how questions are put, and what follows from an answer, or from none. Pure.

Rule 1: a question is settled once. The first answer counts, whoever comes later does nothing.
Rule 2: whatever becomes of a question, its call gets exactly one result.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import assert_never

from pydantic import JsonValue

from perdure.workflows.core.approvers import excluded, refusal
from perdure.workflows.core.binding import Allowed, args_sha256, binding
from perdure.workflows.core.calls.call import Asked, Asking, Call, Given, Ready, at
from perdure.workflows.core.calls.fold import asker
from perdure.workflows.core.calls.results import UNKNOWN, declined, denied, expired, finish, start
from perdure.workflows.core.changes import CallerTraced, QuestionSettled
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.state.record import replace
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.signals import Answer
from perdure.workflows.vocabulary.elicitation import Reply, answered
from perdure.workflows.vocabulary.ids import question_id
from perdure.workflows.vocabulary.parts import BlobRef
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.questions import By, Question


def put(draft: Draft, call: Call) -> None:
    """Puts the question of a call that has to ask."""
    assert isinstance(call.stage, Asking)
    match call.stage.asks:
        case "approval":
            _put_approval(draft, call)
        case "input":
            _put_input(draft, call)
        case "outcome":
            _put_outcome(draft, call)
        case "server":
            _put_server(draft, call)
        case _:
            assert_never(call.stage.asks)


def answer(draft: Draft, command: Answer) -> None:
    """The first answer to an open question settles it; any other does nothing, nor does one of who may not answer."""
    found = _open(draft, command.question_id)
    if found is None:
        return
    call, stage, question = found
    if refusal(question, command.by) is not None:
        return
    given = _given(call, question, command)
    if command.traceparent is not None:
        draft.add(CallerTraced(traceparent=command.traceparent))
    draft.add(
        QuestionSettled(
            question_id=question.question_id,
            answer_id=command.id,
            given=given,
            allow=_allowed(call, question, command, draft.now),
        )
    )
    call = _now(draft, call)
    if stage.asks == "approval":
        _resolve(draft, call, question, command.approved, command.reason, command.by)
    elif stage.asks == "server":
        reply: Reply = "accept" if command.approved else "decline"
        value = command.result if command.approved else None
        _tell_server(draft, call, question, reply, value, command.blob, command.by)
    elif command.approved:
        _receive(draft, question, command.result, command.by)
        finish(draft, call, ToolOutput(output=command.result, blob=command.blob, attempt=None))
    else:
        finish(draft, call, UNKNOWN if stage.asks == "outcome" else declined(command.reason))


def expire(draft: Draft) -> None:
    """Settles the questions whose time is over."""
    for open_question in draft.state.questions.open:
        found = _open(draft, open_question.question_id)
        if found is None or open_question.expires_at is None or open_question.expires_at > draft.now:
            continue
        call, stage, question = found
        draft.add(QuestionSettled(question_id=question.question_id))
        call = _now(draft, call)
        if stage.asks == "approval":
            policy = draft.state.policy(call.name)
            approval = policy.approval if policy else None
            approved = approval is not None and approval.default == "approve"
            _resolve(draft, call, question, approved, "expired", None)
        elif stage.asks == "server":
            _tell_server(draft, call, question, "cancel")
        else:
            finish(draft, call, expired("answer"))


def withdraw(draft: Draft, call_ids: Iterable[str]) -> None:
    """Takes back the questions of calls that are being stopped; their results come from whoever stops them."""
    stopped = frozenset(call_ids)
    for question in draft.state.questions.open:
        if question.call_id not in stopped:
            continue
        draft.add(QuestionSettled(question_id=question.question_id))
        if question.kind == "approval" and question.call_id is not None:
            draft.add(
                ApprovalResolved(
                    **draft.stamp,
                    question_id=question.question_id,
                    call_id=question.call_id,
                    approved=False,
                    reason="stopped",
                )
            )


def _put_approval(draft: Draft, call: Call) -> None:
    agent, policy = draft.state.slot.loaded, draft.state.policy(call.name)
    number, asked = 1, call.made
    if call.changed:
        if agent is None or policy is None or policy.binds is None:
            # The tool is gone; the call's result says so.
            draft.change(at(call, Ready()))
            return
        # It has been asked about once, as the tool that it was.
        number = 2
        call = replace(call, bound=binding(agent, policy))
        draft.change(call)
        asked = call.as_run
    approval = policy.approval if policy is not None else None
    draft.add(
        ApprovalRequested(
            **draft.stamp,
            question_id=question_id(call.call_id, "approval", number),
            call_id=call.call_id,
            name=call.name,
            args=asked.args,
            expires_at=_until(draft, approval.expires if approval else None),
            blob=asked.blob,
            reason=call.again,
            remember=approval.remember if approval else None,
            bound=call.bound,
            roles=approval.by or () if approval else (),
            not_by=excluded(draft.state, approval),
        )
    )


def _put_input(draft: Draft, call: Call) -> None:
    start(draft, call.made)
    made, policy = call.made, draft.state.policy(call.name)
    prompt = made.args.get("prompt")
    draft.add(
        InputRequested(
            **draft.stamp,
            question_id=question_id(call.call_id, "input"),
            form=policy.form if policy else "result",
            call_id=call.call_id,
            name=call.name,
            args=made.args,
            prompt=prompt if isinstance(prompt, str) else None,
            expires_at=_until(draft, policy.expires if policy else None),
            blob=made.blob,
        )
    )


def _put_outcome(draft: Draft, call: Call) -> None:
    prompt = (
        f"The connection to {call.name} was lost while it ran, so nobody knows whether it took effect. "
        "Find out, and give its result; or decline, and the model is told that it is unknown."
    )
    draft.add(
        InputRequested(
            **draft.stamp,
            question_id=question_id(call.call_id, "outcome"),
            form="outcome",
            call_id=call.call_id,
            name=call.name,
            args=call.made.args,
            prompt=prompt,
            blob=call.made.blob,
        )
    )


def _put_server(draft: Draft, call: Call) -> None:
    assert call.server is not None
    wanted = call.server.open
    assert wanted is not None
    policy, asked = draft.state.policy(call.name), call.as_run
    draft.add(
        InputRequested(
            **draft.stamp,
            question_id=question_id(call.call_id, "input", call.server.asked + 1),
            subject="server",
            form="schema",
            call_id=call.call_id,
            name=call.name,
            args=asked.args,
            prompt=wanted.prompt,
            output=wanted.output,
            expires_at=_until(draft, policy.expires if policy else None),
            blob=asked.blob,
        )
    )


def _tell_server(
    draft: Draft,
    call: Call,
    question: Question,
    reply: Reply,
    content: JsonValue = None,
    blob: BlobRef | None = None,
    by: By | None = None,
) -> None:
    """Lets the call go on with an answer, unless its server wants to know more. A refusal has no value."""
    assert call.server is not None
    _receive(draft, question, content, by)
    server = answered(call.server, reply, content, blob)
    stage = Ready() if server.open is None else Asking("server")
    draft.change(replace(call, server=server, stage=stage))


def _receive(draft: Draft, question: Question, value: JsonValue, by: By | None) -> None:
    draft.add(InputReceived(**draft.stamp, question_id=question.question_id, value=value, by=by))


def _resolve(draft: Draft, call: Call, question: Question, approved: bool, reason: str | None, by: By | None) -> None:
    draft.add(
        ApprovalResolved(
            **draft.stamp,
            question_id=question.question_id,
            call_id=call.call_id,
            approved=approved,
            reason=reason,
            by=by,
        )
    )
    if not approved:
        finish(draft, call, expired("approval") if reason == "expired" else denied(reason))


def _given(call: Call, question: Question, command: Answer) -> Given | None:
    """What a person put in place of the call's arguments."""
    if command.args is None or not command.approved or question.kind != "approval":
        return None
    folded = command.args_blob is not None or call.made.blob is not None
    return Given(command.args, command.args_blob) if folded or command.args != question.args else None


def _allowed(call: Call, question: Question, command: Answer, now: datetime) -> Allowed | None:
    """What an answer allows beyond the call that was asked about."""
    if question.kind != "approval" or question.bound is None or not (command.approved and command.remember):
        return None
    match question.remember:
        case "never":
            return None
        case "same_args":
            blob = command.args_blob if command.args is not None else question.blob
            if blob is not None:
                return None
            args = command.args if command.args is not None else question.args or {}
            return Allowed(name=call.name, bound=question.bound, args_sha256=args_sha256(args), at=now)
        case None:
            return Allowed(name=call.name, bound=question.bound, at=now)
        case _:
            assert_never(question.remember)


def _open(draft: Draft, asked: str) -> tuple[Call, Asked, Question] | None:
    call, question = asker(draft.state, asked), draft.state.questions.find(asked)
    if call is None or question is None or not isinstance(call.stage, Asked):
        return None
    return call, call.stage, question


def _now(draft: Draft, call: Call) -> Call:
    """The call as it is after what has been drafted."""
    found = draft.turn.call(call.call_id)
    assert found is not None
    return found


def _until(draft: Draft, time: timedelta | None) -> datetime | None:
    return None if time is None else draft.now + time
