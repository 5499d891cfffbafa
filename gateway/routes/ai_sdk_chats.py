"""What a chat of the AI SDK asks of its session: a message, an edit, a regeneration, answers; and the frames sent back.

Rule: a chat is a session by its id. Who may do what in it, and what a message is worth, the session service says.
"""

import base64
import uuid
from collections.abc import AsyncIterator
from typing import Final

import orjson
from pydantic import JsonValue

from perdure.gateway.http.ai_sdk_bodies import UseChatRequest, answers_to, calls_of, parts_of, user_message_id
from perdure.gateway.projections.ai_sdk_ids import edit_id, read_answer_id, user_id
from perdure.gateway.routes.ai_sdk_turns import ChatTurns, opened
from perdure.gateway.routes.context import Gateway
from perdure.gateway.routes.sent_turn import SentTurn
from perdure.temporal.sessions.content import content_sha256
from perdure.temporal.sessions.errors import (
    AlreadyAnswered,
    IdConflict,
    InvalidRequest,
    MessageNotFound,
    SessionNotFound,
)
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession, EditMessageBody, FirstMessage, RewindSession
from perdure.temporal.sessions.sealed import Shown
from perdure.temporal.sessions.sending import Sent
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.ids import free_session_id
from perdure.workflows.vocabulary.parts import Message

#: Messages that are looked through at a time.
_PAGE: Final = 200


class Chat:
    """The chat `chat_id` with `agent`, for one request of its client."""

    def __init__(self, app: Gateway, caller: Principal, agent: str, chat_id: str) -> None:
        self._app = app
        self._caller = caller
        self._agent = agent
        self.session = app.sessions.open(caller, chat_id)
        self.turns = ChatTurns(app.watches, app.blobs, self.session)

    async def receipt(self, message_id: str = "") -> Receipt | None:
        """The session's, and what it knows of a message; None where there is no session. Raises `SessionNotFound` where the
        session is another agent's."""
        try:
            receipt = await self.session.receipt(message_id)
        except SessionNotFound:
            return None
        if self._agent not in (receipt.agent, receipt.started_as):
            raise SessionNotFound(f"The session {self.session.session_id} is not one of the agent {self._agent}.")
        return receipt

    async def resumed(self) -> AsyncIterator[bytes] | None:
        """The answer that runs; else that to the last message which waits for its turn; else the last one of the branch that
        goes on. None: there is none."""
        if await self.receipt() is None:
            return None
        facts = (await self.session.snapshot(0)).page
        if facts.turn_id is None and facts.queued:
            sent = Sent(self.session.workflow_id, facts.queued[-1].id, "", facts.seq, "working", None, ())
            return self.turns.of(opened(SentTurn(self._app.watches, self.session, sent).items()))
        turn_id = facts.turn_id or (facts.ended.turn_id if facts.ended is not None else None)
        told = None if turn_id is None else await self.turns.last(turn_id, facts.seq)
        return None if told is None else self.turns.replay(told)

    async def answer(self, wanted: UseChatRequest) -> AsyncIterator[bytes]:
        """The frames with which a request is answered. Raises as the session service does."""
        if wanted.trigger == "regenerate-message":
            return await self._regenerate(wanted)
        if wanted.last.role == "assistant":
            return await self._continue(wanted)
        if wanted.messageId == wanted.last.id:
            return await self._edit(wanted)
        return await self._send(wanted)

    async def _send(self, wanted: UseChatRequest) -> AsyncIterator[bytes]:
        message_id = user_message_id(wanted.last, wanted.field)
        given = await self._parts(wanted)
        body = FirstMessage(message_id=message_id, parts=given.parts, model=wanted.model, busy=wanted.busy)
        receipt = await self.receipt(message_id)
        if receipt is None:
            sent = await self._start(wanted, body)
            if sent is not None:
                return self.turns.of(opened(SentTurn(self._app.watches, self.session, sent).items()))
        known = receipt is not None and receipt.content_sha256 is not None
        seq = receipt.seq if receipt is not None and known else 0
        sent = await self.session.send(
            body.neutral_parts(), message_id, model=wanted.model, busy=_busy(wanted, receipt), follows=True
        )
        return self.turns.of(opened(SentTurn(self._app.watches, self.session, sent).items()), seq)

    async def _start(self, wanted: UseChatRequest, body: FirstMessage) -> Sent | None:
        """Starts the session with its first message; None: there is one by now."""
        try:
            free_session_id(self.session.session_id)
        except ValueError as refusal:
            raise InvalidRequest("id", str(refusal)) from None
        create = CreateSession(
            agent=self._agent,
            inputs=wanted.inputs,
            session_id=self.session.session_id,
            message=body,
            user=wanted.user,
            metadata=wanted.metadata,
        )
        try:
            created = await self._app.sessions.start(self._caller, create)
        except IdConflict:
            return None
        sha256 = content_sha256(body.neutral_parts(), body.model)
        return Sent(created.workflow_id, body.message_id or "", sha256, 0, "working", None, ())

    async def _edit(self, wanted: UseChatRequest) -> AsyncIterator[bytes]:
        found = await self._find(wanted.last.id) if await self.receipt() is not None else None
        if found is None:
            # The message has never come here, as where its first request was lost.
            return await self._send(wanted)
        given = await self._parts(wanted)
        new_id = edit_id(user_message_id(wanted.last, wanted.field), uuid.uuid4().hex[:8])
        return await self._rewind(wanted, RewindSession(rewind_id=new_id, message_id=found, parts=given.parts))

    async def _regenerate(self, wanted: UseChatRequest) -> AsyncIterator[bytes]:
        if await self.receipt() is None:
            return await self._send(wanted)
        named = wanted.messageId or wanted.last.id
        found = await self._find(named)
        if found is None and wanted.last.role == "user":
            found = await self._find(wanted.last.id)
            if found is None:
                return await self._send(wanted)
        if found is None:
            raise MessageNotFound
        return await self._rewind(wanted, RewindSession(message_id=found))

    async def _rewind(self, wanted: UseChatRequest, rewind: RewindSession) -> AsyncIterator[bytes]:
        rewind = rewind.model_copy(update={"model": wanted.model, "undo": wanted.undo})
        rewound = await self.session.rewind(rewind)
        return self.turns.of(self.turns.after_rewind(rewound.cursor, rewound.branch))

    async def _continue(self, wanted: UseChatRequest) -> AsyncIterator[bytes]:
        if await self.receipt() is None:
            raise SessionNotFound
        named, seen = read_answer_id(wanted.last.id), calls_of(wanted.last)
        if named is None:
            raise MessageNotFound(f"{wanted.last.id} is no answer of this session.")
        questions, answered = await self.session.questions(), set[str]()
        for answer in answers_to(questions, seen):
            try:
                await self.session.answer(answer)
            except AlreadyAnswered:
                # What came of that is told as anything else.
                continue
            answered |= {one.call_id for one in questions if one.question_id == answer.question_id and one.call_id}
        facts = await self.session.facts()
        told = await self.turns.last(named.turn_id, facts.seq)
        if told is None:
            raise MessageNotFound(f"{wanted.last.id} is no answer of this session.")
        return self.turns.continued(told, wanted.last.id, seen, answered)

    async def _find(self, named: str) -> str | None:
        """The session's own id of the message to go back to: a user's message, or the one that an answer answers, or where
        nobody's message began its turn, the answer itself. None: there is no such message."""
        answer = read_answer_id(named)
        wanted = named if answer is None else answer.message_id
        found: str | None = None
        before: int | None = None
        while before is None or before > 0:
            excerpt, messages = await self.session.messages(before, _PAGE)
            for message in reversed(messages):
                role = _role(message)
                if role == "user" and user_id(message.id) == wanted:
                    return message.id
                if answer is None or wanted is not None:
                    continue
                if message.turn_id == answer.turn_id:
                    found = message.id if role != "tool" else found
                elif found is not None:
                    return found
            before = excerpt.before
        return found

    async def _parts(self, wanted: UseChatRequest) -> EditMessageBody:
        """What the user's message says; files that the session keeps already are given anew."""
        message = wanted.last
        parts = [await self._given_anew(part) if part.get("type") == "file" else part for part in message.parts]
        return parts_of(message.model_copy(update={"parts": tuple(parts)}), wanted.field)

    async def _given_anew(self, part: dict[str, JsonValue]) -> dict[str, JsonValue]:
        _, kept, place = str(part.get("url")).partition(f"/v1/sessions/{self.session.session_id}/files/")
        file = await self.session.file(place.partition("?")[0]) if kept else None
        if file is None:
            return part
        data, media_type = file
        return {**part, "url": f"data:{media_type.partition(';')[0]};base64,{base64.b64encode(data).decode()}"}


def _busy(wanted: UseChatRequest, receipt: Receipt | None) -> Busy | None:
    """A client of the AI SDK that says something new cannot answer what was asked before."""
    if wanted.busy is not None or receipt is None:
        return wanted.busy
    asked = any(question.subject != "handler" for question in receipt.waiting_for)
    return "interrupt" if receipt.status == "waiting" and asked else None


def _role(message: Message | Shown) -> str:
    return message.role if isinstance(message, Message) else str(orjson.loads(message.json)["role"])
