"""Answers to what a session asks: approvals, results of client tools, and other input.

The question is looked at first, so that a bad answer is refused with the field's name; then the session is signalled;
then it is asked whose answer counted, for two people may answer at once.
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, Final

from pydantic import JsonValue
from referencing.exceptions import Unresolvable

from perdure.temporal.definitions.inputs import InputProblem
from perdure.temporal.schemas.faults import faults
from perdure.temporal.schemas.yaml_source import field_name
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.requests import AnswerBody
from perdure.temporal.sessions.result_files import with_files_kept
from perdure.temporal.sessions.scopes import Act
from perdure.temporal.stores.blobs import BlobStore, fold_part
from perdure.workflows.core.raising import read_raise
from perdure.workflows.definition import ask_user
from perdure.workflows.protocol.queries import QuestionState
from perdure.workflows.protocol.signals import Answer
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, ToolCall, ToolResult
from perdure.workflows.vocabulary.questions import By, Question, Shortfall

#: Arguments that a person gives a call of a tool, by its name and its `spec_sha256`, as the tool will take them; None where
#: this process cannot say. Raises InputProblem.
EditArguments = Callable[[str, str, dict[str, JsonValue]], dict[str, JsonValue] | None]

_MAX_MESSAGE: Final = 300


def act_of(question: Question, body: AnswerBody) -> Act:
    """What its caller does who answers so: only who may change limits lets a session spend more."""
    if question.budget is not None:
        return "answer" if body.approved is False else "limits"
    return "approve" if question.kind == "approval" else "answer"


def check_answer(body: AnswerBody, question: Question, state: QuestionState) -> None:
    """Raises `InvalidRequest` where the answer does not fit the question."""
    given = body.model_fields_set
    if question.budget is not None:
        _check_decision(body, question.budget)
        return
    if question.kind == "approval":
        if body.approved is None:
            raise InvalidRequest("approved", "is required: true or false")
        if "result" in given:
            raise InvalidRequest("result", "an approval takes none")
        if body.args is not None and question.subject == "rewind":
            raise InvalidRequest("args", "only count for a tool call; rewind again to take back something else")
        if body.args is not None:
            if not body.approved:
                raise InvalidRequest("args", "only count with approved: true")
            # As they travel: in the part that `make_answer` puts away where it is longer.
            size = len(_changed(body, question).model_dump_json().encode())
            if state.inline_only and size > INLINE_LIMIT:
                raise InvalidRequest(
                    "args", f"make a call of {size} bytes of JSON; its worker takes at most {INLINE_LIMIT}"
                )
            _fits("args", body.args, state.input, foreign=state.foreign)
        if body.remember and not body.approved:
            raise InvalidRequest("remember", "only counts with approved: true")
        if body.remember and question.remember == "never":
            each = "rewind" if question.subject == "rewind" else f"call of {question.name}"
            raise InvalidRequest("remember", f"each {each} has to be allowed by itself")
        return
    if "args" in given or "remember" in given:
        raise InvalidRequest("args" if "args" in given else "remember", "only an approval takes this")
    if body.approved is False:
        if "result" in given:
            raise InvalidRequest("result", "cannot be given with approved: false")
        return
    if "result" not in given:
        raise InvalidRequest("result", "is required, or approved: false")
    if question.subject == "handler":
        size = len(ToolResult(call_id="", name=question.name or "", output=body.result).model_dump_json().encode())
        if size > INLINE_LIMIT:
            raise InvalidRequest("result", f"has {size} bytes of JSON; a handler takes at most {INLINE_LIMIT}")
    # What fits a form is told by the call that made it.
    schema = ask_user.answer_schema(question.args or {}) if question.form == "fields" else state.output
    _fits("result", body.result, schema, foreign=state.foreign)


def _check_decision(body: AnswerBody, short: Shortfall) -> None:
    """Raises `InvalidRequest` where the answer cannot decide about a budget."""
    given = body.model_fields_set
    for field in ("args", "remember"):
        if field in given:
            raise InvalidRequest(field, "only an approval of a call takes this")
    if body.approved is False and "result" in given:
        raise InvalidRequest("result", "cannot be given with approved: false")
    if "result" not in given:
        if body.approved is None:
            raise InvalidRequest("approved", "is required: true or false; or give a result, which sets the cap")
        return
    value = read_raise(short, body.result)
    if isinstance(value, tuple):
        field, why = value
        raise InvalidRequest(f"result.{field}" if field else "result", why)


async def as_taken(body: AnswerBody, question: Question, edit: EditArguments) -> AnswerBody:
    """The answer with changed arguments as the tool will take them. Where this process does not know the tool, they stay
    as they are, and the tool checks them itself. Raises `InvalidRequest`, which names the field."""
    if body.args is None or question.bound is None:
        return body
    try:
        # In a thread, for validators of tools are the users' own code.
        args = await asyncio.to_thread(edit, question.name or "", question.bound.spec, body.args)
    except InputProblem as problem:
        raise InvalidRequest(f"args.{problem.field}" if problem.field else "args", problem.message) from None
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
        raise InvalidRequest(field, "is nested too deep to be checked") from None
    if error is not None:
        message = error.message if len(error.message) <= _MAX_MESSAGE else f"{error.message[:_MAX_MESSAGE]}…"
        raise InvalidRequest(field_name((field, *error.absolute_path)), message)


def _changed(body: AnswerBody, question: Question) -> ToolCall:
    """The call with the arguments of an answer."""
    return ToolCall(call_id=question.call_id or "", name=question.name or "", args=body.args or {})


async def make_answer(
    blobs: BlobStore, session: str, body: AnswerBody, question: Question, by: By, answer_id: str | None = None
) -> Answer:
    """The command that answers, with what is big of it in the blob store. `session` is the workflow's id. Without an
    `answer_id` the answer gets one."""
    given = await with_files_kept(blobs, session, body.result) if question.form == "result" else body.result
    result = ToolResult(call_id=question.call_id or "", name=question.name or "", output=given)
    folded = await fold_part(blobs, session, result)
    assert isinstance(folded, ToolResult)
    short = await fold_part(blobs, session, _changed(body, question))
    assert isinstance(short, ToolCall)
    return Answer(
        id=answer_id or uuid.uuid4().hex,
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
