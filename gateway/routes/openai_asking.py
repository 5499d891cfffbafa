"""What a request to `POST /v1/responses` does: it starts a session, goes on in one, or answers what an agent asks.

Rule: the same request again does nothing again. A caller's `Idempotency-Key` says that it is the same; without one, the same
input after the same response is.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from perdure.gateway.http.openai_bodies import CreateResponse
from perdure.gateway.http.openai_input import Decision, Given, Output, UserPart
from perdure.gateway.http.problems import Problem, invalid
from perdure.gateway.projections.openai_calls import approval_id, is_function
from perdure.gateway.projections.openai_ids import ResponseId
from perdure.gateway.routes.context import Gateway
from perdure.gateway.routes.response_turn import ResponseTurn, Settled
from perdure.temporal.sessions.content import canonical, content_sha256
from perdure.temporal.sessions.errors import AlreadyAnswered, InvalidRequest
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import AnswerBody, CreateSession, FirstMessage
from perdure.temporal.sessions.sending import Sent
from perdure.temporal.sessions.session import Session
from perdure.workflows.vocabulary.questions import Question

#: The id of a new session's first message.
FIRST: Final = "m1"
M = TypeVar("M", bound=BaseModel)
_OF_A_KEY: Final = "r-"


@dataclass(frozen=True, slots=True)
class Asking:
    """One request. `key` is its `Idempotency-Key`."""

    app: Gateway
    caller: Principal
    body: CreateResponse
    given: Given
    key: str | None

    async def begin(self) -> ResponseTurn:
        """Raises what the session service raises, and Problem where the request does not fit the session."""
        previous, conversation = self.body.previous_response_id, self.body.conversation_id
        if self.given.answers:
            if previous is None:
                raise invalid("previous_response_id", "is required: it says whose questions are answered")
            return await self._answer(await ResponseTurn.find(self.app, self.caller, previous))
        if previous is not None:
            return await self._go_on_after(await ResponseTurn.find(self.app, self.caller, previous))
        if conversation is not None:
            session = self.app.sessions.open(self.caller, conversation)
            return await self._send(session, self._id("m") or uuid.uuid4().hex)
        return await self._start()

    async def _start(self) -> ResponseTurn:
        body, session_id = self.body, self._id("s") or uuid.uuid4().hex
        message = first_message(self.given.parts, "input")
        fields = {"agent": body.model, "inputs": body.inputs, "session_id": session_id, "message": message}
        owner = None if body.owner == self.caller.user else body.owner
        request = checked(CreateSession, {**fields, "user": owner, "metadata": body.metadata or {}})
        try:
            await self.app.sessions.start(self.caller, request)
        except InvalidRequest as refused:
            raise in_other_words(refused) from None
        return started(self.app, self.caller, session_id, body.model, message)

    async def _go_on_after(self, turn: ResponseTurn) -> ResponseTurn:
        """Sends the message behind the response, which has to be the session's last one."""
        content = canonical([part.model_dump(mode="json") for part in self.given.parts])
        repeat = hashlib.sha256(b"\0".join((str(turn.id).encode(), content))).hexdigest()[:32]
        message_id = self._id("m") or f"{_OF_A_KEY}{repeat}"
        settled = Settled(turn.id.message_id)
        before = await turn.now(settled)
        if any(later != message_id for later in settled.later) and message_id not in settled.later:
            raise Problem(
                "id_conflict",
                "previous_response_id is not the session's last response: the conversation has gone on since. Give the last "
                "one, or the session as conversation, or fork the session to go on from there.",
            )
        if before.asked and message_id not in settled.later:
            open_ones = [one for one in before.asked if not _is_settled(one, settled)]
            if not open_ones:
                raise Problem(
                    "id_conflict",
                    "previous_response_id is not the session's last response: what it asks has been answered, and the "
                    f"turn has gone on. Give the response that followed, {turn.id.next}.",
                )
            raise invalid(
                "input",
                "the previous response waits for an answer: send function_call_output or mcp_approval_response for what it "
                f"asks, or answer {open_ones[0].question_id} at the session, and only then a message",
            )
        return await self._send(turn.session, message_id)

    async def _send(self, session: Session, message_id: str) -> ResponseTurn:
        body = self.body
        if body.metadata and body.metadata != (await session.facts()).metadata:
            raise invalid("metadata", "are the session's, which has others; change them at the session")
        owner = None if body.owner is None else ("user" if body.user is not None else "safety_identifier", body.owner)
        return await go_on(self.app, session, body.model, owner, self.given.parts, message_id, "input")

    async def _answer(self, turn: ResponseTurn) -> ResponseTurn:
        settled = Settled(turn.id.message_id)
        asked = (await turn.now(settled)).asked
        if not asked:
            raise invalid("input", "the previous response asks for nothing")
        functions = {one.call_id: one for one in asked if is_function(one)}
        approvals = {approval_id(turn.id.mark, one.question_id): one for one in asked if one.kind == "approval"}
        answers: list[tuple[Question, Output | Decision]] = []
        for output in self.given.outputs:
            answers.append((_one_of(functions, output.call_id, f"{output.field}.call_id"), output))
        for decision in self.given.decisions:
            field = f"{decision.field}.approval_request_id"
            answers.append((_one_of(approvals, decision.approval_id, field), decision))
        answered = {question.question_id for question, _ in answers}
        missing = [
            one.call_id for one in functions.values() if one.question_id not in answered | settled.answers.keys()
        ]
        if missing:
            raise invalid(
                "input", f"has no function_call_output for {missing[0]}, which the previous response asks for, too"
            )
        for question, given in answers:
            await _settle(turn.session, question, given, settled)
        return turn.next()

    def _id(self, kind: str) -> str | None:
        return id_of_key(self.caller, kind, self.key)


async def go_on(
    app: Gateway,
    session: Session,
    model: str,
    owner: tuple[str, str] | None,
    parts: Sequence[UserPart],
    message_id: str,
    field: str,
) -> ResponseTurn:
    """Sends a message to a session that runs the agent `model` and belongs to `owner`, which names its field. `field` is
    where the request has the parts. Raises Problem `validation`, and as `Session.send`."""
    await session.check("read")
    receipt = await session.receipt(message_id)
    agent = receipt.started_as or receipt.agent
    if model not in (agent, receipt.agent):
        raise invalid("model", f"the session runs the agent {agent}; name that one")
    if owner is not None and (await session.belonging()).user != owner[1]:
        raise invalid(owner[0], "the session belongs to somebody else")
    try:
        sent = await session.send(first_message(parts, field).neutral_parts(), message_id)
    except InvalidRequest as refused:
        raise in_other_words(refused, field) from None
    return ResponseTurn(app, session, ResponseId(session.session_id, message_id), sent, agent)


def started(app: Gateway, caller: Principal, session_id: str, agent: str, message: FirstMessage) -> ResponseTurn:
    """The response to the first message of a session that has just been started."""
    session = app.sessions.open(caller, session_id)
    sent = Sent(session.workflow_id, FIRST, content_sha256(message.neutral_parts()), 0, "working", None, ())
    return ResponseTurn(app, session, ResponseId(session_id, FIRST), sent, agent)


def first_message(parts: Sequence[UserPart], field: str) -> FirstMessage:
    """`field` is where the request has the parts. Raises Problem `validation`."""
    return checked(FirstMessage, {"message_id": FIRST, "parts": tuple(parts)}, parts=field)


def checked(kind: type[M], fields: dict[str, Any], **names: str) -> M:
    """A request of the session service. Raises Problem `validation`; `names` are those of its fields in the request as it was
    given, where they are others."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        head, *rest = map(str, first["loc"])
        raise invalid(
            ".".join((names.get(head, head), *rest)), str(first["msg"]).removeprefix("Value error, ")
        ) from None


def id_of_key(caller: Principal, kind: str, key: str | None) -> str | None:
    """An id that the caller's key makes, which is each caller's own; None without a key."""
    if key is None:
        return None
    whose = caller.user or caller.subject
    return _OF_A_KEY + hashlib.sha256("\0".join((kind, whose, key)).encode()).hexdigest()[:40]


def _one_of(asked: Mapping[Any, Question], name: str, field: str) -> Question:
    found = asked.get(name)
    if found is None:
        raise invalid(field, "is nothing that the previous response asks for")
    return found


def _is_settled(question: Question, settled: Settled) -> bool:
    """A call that was declined or stopped has a result, and no answer."""
    return question.question_id in settled.answers or question.call_id in settled.results


async def _settle(session: Session, question: Question, given: Output | Decision, settled: Settled) -> None:
    if isinstance(given, Decision):
        body = AnswerBody(question_id=question.question_id, approved=given.approve, reason=given.reason)
        try:
            await session.answer(body)
        except AlreadyAnswered:
            if settled.answers.get(question.question_id) is not given.approve:
                raise
        return
    # What a function gives is text for OpenAI, and often JSON. Its schema says what is meant.
    first, second = _readings(given.output)
    try:
        await _give(session, question, first, settled)
    except InvalidRequest as refused:
        if second == first:
            raise invalid(f"{given.field}.output", refused.detail.partition(": ")[2] or refused.detail) from None
        try:
            await _give(session, question, second, settled)
        except InvalidRequest:
            raise invalid(f"{given.field}.output", refused.detail.partition(": ")[2] or refused.detail) from None


async def _give(session: Session, question: Question, result: JsonValue, settled: Settled) -> None:
    try:
        await session.answer(AnswerBody(question_id=question.question_id, result=result))
    except AlreadyAnswered:
        had = settled.results.get(question.call_id or "", settled.answers.get(question.question_id))
        if to_json(had) != to_json(result):
            raise


def _readings(output: str) -> tuple[JsonValue, JsonValue]:
    """What the text means, most likely first: JSON that is an object or an array, else the text."""
    try:
        read: JsonValue = json.loads(output)
    except (ValueError, RecursionError):
        return output, output
    return (read, output) if isinstance(read, dict | list) else (output, read)


def in_other_words(refused: InvalidRequest, parts: str = "input") -> Exception:
    """What is wrong with the agent's inputs or a part, in the words of the request as it was given; `parts` is where the
    request has them."""
    if not refused.errors:
        return refused
    first = refused.errors[0]
    field = first.field.removeprefix("message.")
    field = (
        "model" if field == "agent" else f"{parts}{field.removeprefix('parts')}" if field.startswith("parts") else field
    )
    told = invalid(field, first.message)
    return Problem(refused.code, told.detail, errors=told.errors)
