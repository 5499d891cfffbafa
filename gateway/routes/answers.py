"""The route of answers: approvals, results of client tools, and what else a session asks.

The question is looked at first, so that a bad answer is refused with the field's name; then the session is signalled;
then it is asked whose answer counted, for two people may answer at once.
"""

import asyncio
import uuid
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import JsonValue
from referencing.exceptions import Unresolvable

from perdure.gateway.http.bodies import AnswerBody, SessionPath
from perdure.gateway.http.problems import Problem, invalid
from perdure.gateway.http.strict_json import StrictRoute
from perdure.gateway.openapi.answers import QuestionAnswered
from perdure.gateway.projections.native import arguments_of
from perdure.gateway.routes.context import By, EditArguments, Gateway, Here
from perdure.temporal.definitions.inputs import InputProblem
from perdure.temporal.schemas.faults import faults
from perdure.temporal.schemas.yaml_source import field_name
from perdure.temporal.stores.blobs import BlobStore, fold_part
from perdure.workflows.definition import ask_user
from perdure.workflows.protocol.commands import Answer, QuestionState
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, ToolCall, ToolResult
from perdure.workflows.vocabulary.questions import By as ByWhom
from perdure.workflows.vocabulary.questions import Question

_MAX_MESSAGE: Final = 300

router = APIRouter(prefix="/v1/sessions/{session_id}", tags=["questions"], route_class=StrictRoute)


@router.post("/answers", status_code=202, response_model=QuestionAnswered)
async def answer_question(session_id: SessionPath, body: AnswerBody, gateway: Here, by: By) -> JSONResponse:
    """Answers an open question; the first answer counts, and whoever comes later is told so (409).

    An approval takes `approved`, with `reason`, changed `args` and `remember` if wanted. What a client tool asks takes
    `result`, or `approved: false` where there will be none."""
    session = by.workflow_id(session_id)
    state = await gateway.backend.query(session, SessionWorkflow.question, body.question_id)
    question = state.question
    if question is None:
        if state.known:
            raise Problem("already_answered")
        await _known_session(gateway, session)
        raise invalid("question_id", "is no question of this session")
    args = await arguments_of(question, gateway.blobs)
    check_answer(body, question.model_copy(update={"args": args}), state)
    body = await as_taken(body, question, gateway.edit_arguments)
    command = await make_answer(gateway.blobs, session, body, question, by.by)
    await gateway.backend.signal(session, command)
    gateway.live.poke(session)
    after = await gateway.backend.query(session, SessionWorkflow.question, body.question_id)
    if after.answer_id != command.id:
        raise Problem("already_answered")
    return JSONResponse({"session_id": session_id, "question_id": body.question_id, "seq": state.seq}, 202)


async def _known_session(gateway: Gateway, session: str) -> None:
    receipt = await gateway.backend.query(session, SessionWorkflow.receipt, "")
    if receipt.closed:
        raise Problem("session_closed")


def check_answer(body: AnswerBody, question: Question, state: QuestionState) -> None:
    """Raises Problem where the answer is none to this question."""
    given = body.model_fields_set
    if question.kind == "approval":
        if body.approved is None:
            raise invalid("approved", "is required: true or false")
        if "result" in given:
            raise invalid("result", "an approval takes none")
        if body.args is not None:
            if not body.approved:
                raise invalid("args", "only count with approved: true")
            # As they travel: in the part that `make_answer` puts away where it is longer.
            size = len(_changed(body, question).model_dump_json().encode())
            if state.inline_only and size > INLINE_LIMIT:
                raise invalid("args", f"make a call of {size} bytes of JSON; its worker takes at most {INLINE_LIMIT}")
            _fits("args", body.args, state.input, foreign=state.foreign)
        if body.remember and not body.approved:
            raise invalid("remember", "only counts with approved: true")
        if body.remember and question.remember == "never":
            raise invalid("remember", f"each call of {question.name} has to be allowed by itself")
        return
    if "args" in given or "remember" in given:
        raise invalid("args" if "args" in given else "remember", "only an approval takes this")
    if body.approved is False:
        if "result" in given:
            raise invalid("result", "cannot be given with approved: false")
        return
    if "result" not in given:
        raise invalid("result", "is required, or approved: false")
    # What fits a form is told by the call that made it.
    schema = ask_user.answer_schema(question.args or {}) if question.form == "fields" else state.output
    _fits("result", body.result, schema, foreign=state.foreign)


async def as_taken(body: AnswerBody, question: Question, edit: EditArguments) -> AnswerBody:
    """The answer with the arguments that a person changed as the tool will take them, as far as this process knows the tool;
    where it does not, the tool looks by itself. Raises Problem, which names the field."""
    if body.args is None or question.bound is None:
        return body
    try:
        # In a thread, for validators of tools are the users' own code.
        args = await asyncio.to_thread(edit, question.name or "", question.bound.spec, body.args)
    except InputProblem as problem:
        raise invalid(f"args.{problem.field}" if problem.field else "args", problem.message) from None
    return body if args is None else body.model_copy(update={"args": args})


def _fits(field: str, value: JsonValue, schema: dict[str, Any] | None, *, foreign: bool) -> None:
    if schema is None:
        return
    try:
        error = next(faults(value, schema, foreign=foreign), None)
    except Unresolvable:
        # Another server's schema, which knows by itself what it meant.
        return
    except RecursionError:
        if foreign:
            return
        raise invalid(field, "is nested too deep to be checked") from None
    if error is not None:
        message = error.message if len(error.message) <= _MAX_MESSAGE else f"{error.message[:_MAX_MESSAGE]}…"
        raise invalid(field_name((field, *error.absolute_path)), message)


def _changed(body: AnswerBody, question: Question) -> ToolCall:
    """The call with the arguments of an answer."""
    return ToolCall(call_id=question.call_id or "", name=question.name or "", args=body.args or {})


async def make_answer(blobs: BlobStore, session: str, body: AnswerBody, question: Question, by: ByWhom) -> Answer:
    """The command that answers, with what is big of it in the blob store. `session` is the workflow's id."""
    result = ToolResult(call_id=question.call_id or "", name=question.name or "", output=body.result)
    folded = await fold_part(blobs, session, result)
    assert isinstance(folded, ToolResult)
    short = await fold_part(blobs, session, _changed(body, question))
    assert isinstance(short, ToolCall)
    return Answer(
        id=uuid.uuid4().hex,
        question_id=body.question_id,
        approved=body.approved is not False,
        reason=body.reason,
        args=None if body.args is None else short.args,
        args_blob=short.blob,
        remember=bool(body.remember),
        result=folded.output,
        blob=folded.blob,
        by=by,
    )
