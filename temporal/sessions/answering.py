"""Answering a question: it is looked at, then the session is signalled, then it is asked whose answer counted."""

from collections.abc import Awaitable, Callable

from perdure.temporal.sessions.answers import act_of, as_taken, check_answer, make_answer
from perdure.temporal.sessions.collaborators import Collaborators
from perdure.temporal.sessions.errors import AlreadyAnswered, Forbidden, InvalidRequest, SessionClosed
from perdure.temporal.sessions.hydrate import arguments_of
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import AnswerBody
from perdure.temporal.sessions.scopes import Act
from perdure.workflows.core.approvers import refusal
from perdure.workflows.session import SessionWorkflow


async def answer_question(
    shared: Collaborators,
    caller: Principal,
    session: str,
    answer: AnswerBody,
    check: Callable[[Act], Awaitable[None]],
    answer_id: str | None = None,
) -> int:
    """Returns a cursor from before the answer's first event. `session` is a workflow id; `check` raises `Forbidden`
    unless the caller may do this. `answer_id` is the answer's own, where its sender has one for it.

    Raises `InvalidRequest`, which names the field; `AlreadyAnswered`; `SessionClosed`."""
    state = await shared.backend.query(session, SessionWorkflow.question, answer.question_id)
    question = state.question
    if question is None:
        if state.known:
            raise AlreadyAnswered
        if (await shared.backend.query(session, SessionWorkflow.receipt, "")).closed:
            raise SessionClosed
        raise InvalidRequest("question_id", "is no question of this session")
    await check(act_of(question, answer))
    if (why := refusal(question, caller.by)) is not None:
        raise Forbidden(why)
    args = await arguments_of(question, shared.blobs)
    check_answer(answer, question.model_copy(update={"args": args}), state)
    answer = await as_taken(answer, question, shared.edit_arguments)
    command = await make_answer(shared.blobs, session, answer, question, caller.by, answer_id)
    user = (await shared.backend.query(session, SessionWorkflow.receipt, "")).user
    await shared.backend.let_spend(session, user, command.model_copy(update={"traceparent": caller.traceparent}))
    shared.live.poke(session)
    after = await shared.backend.query(session, SessionWorkflow.question, answer.question_id)
    if after.answer_id != command.id:
        raise AlreadyAnswered
    return state.seq
