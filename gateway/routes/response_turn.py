"""A response while its turn is told: as it is now, as it streams, and once it is over."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from perdure.gateway.http.problems import Problem
from perdure.gateway.http.sse import StreamCut
from perdure.gateway.live.items import Item
from perdure.gateway.live.turn_filter import TurnFilter, asks_below
from perdure.gateway.projections.openai_ids import ResponseId
from perdure.gateway.projections.openai_response import ResponseProjection
from perdure.gateway.projections.openai_step import StreamEvent
from perdure.gateway.routes.context import Gateway
from perdure.gateway.routes.sent_turn import SentTurn
from perdure.temporal.sessions.errors import SessionNotFound
from perdure.temporal.sessions.hydrate import whole_event
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.sending import Sent
from perdure.temporal.sessions.session import Session
from perdure.workflows.definition import ask_user
from perdure.workflows.definition.tools import name_of
from perdure.workflows.vocabulary.budget_events import BudgetRaised
from perdure.workflows.vocabulary.events import (
    Event,
    EventBase,
    MessageAdded,
    MessageQueued,
    MessageRejected,
    ToolFinished,
)
from perdure.workflows.vocabulary.question_events import ApprovalResolved, InputReceived
from perdure.workflows.vocabulary.rewinds import TranscriptRewound

#: Seconds that a new message has to be in its session's record.
_BEGINS_S: Final = 5


class Settled:
    """How questions were answered, and which messages came after the response's own. Give it the events from the message's
    cursor on."""

    def __init__(self, message_id: str) -> None:
        self._message_id = message_id
        #: By question id: whether a call was allowed, or what was given.
        self.answers: dict[str, JsonValue] = {}
        #: By call id.
        self.results: dict[str, JsonValue] = {}
        #: In the order in which they came.
        self.later: list[str] = []
        self._came = False
        self._has_turn = False

    def follow(self, event: Event) -> None:
        match event:
            case ApprovalResolved():
                self.answers[event.question_id] = event.approved
            case InputReceived():
                self.answers[event.question_id] = event.value
            case BudgetRaised() if event.question_id is not None:
                self.answers[event.question_id] = event.value
            case ToolFinished():
                self.results[event.call_id] = event.result.output
            case MessageAdded() if event.message.role == "user" and not event.message.own:
                self._has_turn = self._has_turn or event.message.id == self._message_id
                # One that has its turn before this message was sent before it, or goes before others.
                self._take(event.message.id, counts=self._has_turn)
            case TranscriptRewound() if self._has_turn:
                # The conversation goes on from elsewhere.
                self.later.append(event.branch)
            case MessageQueued():
                self._came = self._came or event.message_id == self._message_id
                self._take(event.message_id, counts=self._came or self._has_turn)
            case _:
                pass

    def _take(self, message_id: str, *, counts: bool) -> None:
        if counts and message_id != self._message_id and message_id not in self.later:
            self.later.append(message_id)


class ResponseTurn:
    """`sent` is the message; `agent`, the one that the session was started with."""

    def __init__(self, app: Gateway, session: Session, id: ResponseId, sent: Sent, agent: str) -> None:  # noqa: A002
        self._app = app
        self.session = session
        self.id = id
        self.sent = sent
        self.agent = agent
        self._asks = _asking_tools(app, session)

    @classmethod
    async def find(cls, app: Gateway, caller: Principal, given: str) -> "ResponseTurn":
        """Raises Problem `response_not_found`, also where its session is not the caller's to know of."""
        id = ResponseId.read(given)  # noqa: A001
        if id is None:
            raise _not_found()
        session = app.sessions.open(caller, id.session_id)
        try:
            receipt = await session.receipt(id.message_id)
        except SessionNotFound:
            raise _not_found() from None
        if receipt.content_sha256 is None or receipt.cursor is None:
            raise _not_found()
        sent = Sent(
            session.workflow_id, id.message_id, receipt.content_sha256, receipt.cursor, receipt.status, None, ()
        )
        return cls(app, session, id, sent, receipt.started_as or receipt.agent)

    def next(self) -> "ResponseTurn":
        """The response that goes on once this one's questions are answered."""
        return ResponseTurn(self._app, self.session, self.id.next, self.sent, self.agent)

    def before(self) -> "ResponseTurn":
        """The response before it in the same turn."""
        id = replace(self.id, part=self.id.part - 1)  # noqa: A001
        return ResponseTurn(self._app, self.session, id, self.sent, self.agent)

    async def now(self, settled: Settled | None = None) -> ResponseProjection:
        """As the session's record has it now; with `settled`, read to the record's end. Raises Problem
        `response_not_found` where the record does not have it, or not any more."""
        wanted, projection = TurnFilter(self.id.message_id), self._projection()
        async for event in self.session.all_events(self.sent.cursor):
            if settled is not None:
                settled.follow(event)
            if wanted.over:
                if settled is None:
                    break
                continue
            if isinstance(event, MessageRejected) and event.reason == "conflict":
                # That of another message, which came under the same id.
                continue
            for item in wanted.take(Item(event)):
                if isinstance(item.value, EventBase) and not projection.over:
                    projection.take(await whole_event(item.value, self._app.blobs))
            if wanted.over and not projection.over:
                projection.session_closed()
        if not projection.exists or projection.lost:
            raise _not_found()
        return projection

    async def at_once(self) -> ResponseProjection:
        """The response as it is now, of a message that was sent just now. The record may not have it yet, where its worker is
        slow or away."""
        with suppress(Problem):
            return await self.now()
        projection = self._projection()
        with suppress(TimeoutError, StreamCut):
            async with asyncio.timeout(_BEGINS_S), aclosing(self._items()) as items:
                async for item in items:
                    projection.take(item.value)
                    if projection.exists:
                        break
        projection.sent_at(time.time())
        return projection

    async def events(self, after: int = -1) -> AsyncGenerator[StreamEvent]:
        """The events with numbers greater than `after`, to the one that ends the stream. Raises StreamCut where they are no
        longer kept."""
        projection = self._projection(after)
        async with aclosing(self._items()) as items:
            async for item in items:
                for event in projection.take(item.value):
                    yield event
                if projection.over:
                    break
        for event in projection.session_closed():
            yield event
        if projection.lost or not projection.exists:
            raise StreamCut

    async def wait(self, seconds: float) -> ResponseProjection:
        """The response once it is over, or as it is after so many seconds, or as soon as a sub-agent waits for a person, or
        this process stops."""
        projection = self._projection()
        with suppress(TimeoutError, StreamCut):
            async with asyncio.timeout(seconds), aclosing(self._items()) as items:
                async for item in items:
                    projection.take(item.value)
                    if asks_below(item.value) and await self.session.sub_questions():
                        return projection
                    if projection.over:
                        break
                projection.session_closed()
        return await self.at_once() if projection.lost or not projection.exists else projection

    def _projection(self, after: int = -1) -> ResponseProjection:
        return ResponseProjection(self.id, self.agent, after, self._asks)

    def _items(self) -> AsyncGenerator[Item]:
        return SentTurn(self._app.watches, self.session, self.sent).items()


def _asking_tools(app: Gateway, session: Session) -> frozenset[str]:
    """Names of the tools of all agents that a person or the caller's program answers."""
    tenant = session.workflow_id.partition("/")[0]
    known = [app.definitions.current(name, tenant) for name in app.definitions.names(tenant)]
    tools = [tool for one in known if one is not None for tool in one.definition.tools]
    return frozenset({ask_user.NAME, *(name_of(tool) for tool in tools if getattr(tool, "kind", None) == "client")})


def _not_found() -> Problem:
    return Problem("response_not_found")
