"""What becomes of a message that was sent: the stream of its turn, or the turn once it has ended or waits for people."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from perdure.gateway.http.sse import StreamCut
from perdure.gateway.live.items import Item
from perdure.gateway.live.turn_filter import TurnFilter, asked_by, asks_below
from perdure.gateway.live.watches import Watches
from perdure.gateway.projections.turn_record import TurnRecord
from perdure.temporal.sessions.sending import Sent
from perdure.temporal.sessions.session import Session
from perdure.temporal.sessions.snapshot import Snapshot, SubQuestion
from perdure.workflows.vocabulary.content_marks import is_same
from perdure.workflows.vocabulary.events import MessageAdded, MessageRejected
from perdure.workflows.vocabulary.questions import Question


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """What people have to answer before a turn can end."""

    questions: tuple[Question, ...] = ()
    sub_questions: tuple[SubQuestion, ...] = ()


class SentTurn:
    def __init__(self, watches: Watches, session: Session, sent: Sent) -> None:
        self._watches = watches
        self._session = session
        self._sent = sent

    async def items(self) -> AsyncGenerator[Item]:
        """The message's own events and those of its turn, live frames among them, to the turn's end."""
        async with aclosing(self._chosen()) as everything:
            async for _, chosen in everything:
                for one in chosen:
                    yield one

    async def wait(self, seconds: float) -> tuple[TurnRecord, WaitingFor | None]:
        """The turn as far as it came within `seconds`, and what it waits for where people have to answer.

        A turn that this process cannot follow to its end, because it stops for one, is like one that takes longer: the
        session has the message, and works on."""
        record, sent = TurnRecord(), self._sent
        # What was open when a message came that goes before others is settled by it.
        asked = sent.status not in ("steering", "interrupting")
        waits_for = WaitingFor(sent.questions, sent.sub_questions)
        if asked and sent.position is not None and (sent.status == "waiting" or waits_for.sub_questions):
            return record, waits_for
        with suppress(TimeoutError, StreamCut):
            async with asyncio.timeout(seconds), aclosing(self._chosen()) as everything:
                async for item, chosen in everything:
                    for one in chosen:
                        record.add(one.value)
                        asked = asked or isinstance(one.value, MessageAdded | Snapshot)
                    if asked and record.turn is None and (waiting_for := await self._asked(item, own=bool(chosen))):
                        return record, waiting_for
        return record, None

    async def _chosen(self) -> AsyncGenerator[tuple[Item, tuple[Item, ...]]]:
        """All that the session sends to the end of the turn, each with what of it belongs to the message."""
        wanted = TurnFilter(self._sent.message_id)
        async with aclosing(self._watches.follow(self._sent.session, self._sent.cursor, patient=True)) as everything:
            async for item in everything:
                chosen: list[Item] = []
                for one in wanted.take(item):
                    if isinstance(one.value, MessageRejected) and await self._means_another(one.value):
                        wanted.over = False
                    else:
                        chosen.append(one)
                yield item, tuple(chosen)
                if wanted.over:
                    return

    async def _means_another(self, rejected: MessageRejected) -> bool:
        """Two messages came under one id at the same moment: was it the other one that was rejected?"""
        if rejected.reason != "conflict":
            return False
        known = (await self._session.receipt(self._sent.message_id)).content_sha256
        return known is not None and is_same(known, self._sent.sha256)

    async def _asked(self, item: Item, *, own: bool) -> WaitingFor | None:
        """What `item` asks of people. What was asked long ago may be answered by now."""
        if asked := asked_by(item.value, own=own):
            questions = await self._session.questions()
            if any(question.question_id in asked for question in questions):
                return WaitingFor(questions)
        if asks_below(item.value) and (below := await self._session.sub_questions()):
            return WaitingFor((), below)
        return None
