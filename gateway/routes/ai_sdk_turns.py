"""From a chat of the AI SDK to the answer that its client is to see: where the answer begins, and the frames of it.

Rule 1: an answer is told from its beginning. What the session has of it already is read first, so that it is known
whether the answer still goes on; only then is the session followed.
Rule 2: clients take a body that ends for a whole answer. So frames end behind a terminal chunk and nowhere else; what fails
between cuts the connection.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from perdure.gateway.http.ai_sdk_bodies import ClientCall
from perdure.gateway.live.items import Item
from perdure.gateway.live.watches import Watches
from perdure.gateway.projections import ai_sdk_chunks as chunks
from perdure.gateway.projections.ai_sdk import Answer
from perdure.gateway.projections.ai_sdk_calls import settled
from perdure.gateway.projections.ai_sdk_chunks import Chunk
from perdure.gateway.projections.ai_sdk_ids import answer_id, said_by_user
from perdure.temporal.sessions.hydrate import whole_event
from perdure.temporal.sessions.session import Session
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    MessageRejected,
    StepFinished,
    ToolFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.parts import ToolCall
from perdure.workflows.vocabulary.rewinds import TranscriptRewound

#: Events that are looked at first for the beginning of the last turn; each further look goes farther back.
_REACH: Final = 256
_GONE: Final = "The answer cannot be followed any further. Load the conversation again."
_REJECTED: Final = {"withdrawn": "The message was withdrawn.", "session_closed": "The session is closed."}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as far as its session has it."""

    answer: Answer
    #: The events of it, from its first one on.
    events: tuple[Event, ...]
    #: Of the last event that was read.
    seq: int

    @property
    def answer_id(self) -> str | None:
        """The answer's id, before anything of it is told."""
        first = self.events[0]
        joined = first.message if isinstance(first, MessageAdded) else None
        return answer_id(first.turn_id or "", joined)


class ChatTurns:
    """The answers of one chat."""

    def __init__(self, watches: Watches, blobs: BlobStore, session: Session) -> None:
        self._watches = watches
        self._blobs = blobs
        self._session = session

    async def last(self, turn_id: str, seq: int) -> Told | None:
        """The last answer of a turn, as of `seq`; None where the session keeps it no longer."""
        reach = _REACH
        while True:
            after = max(seq - reach, 0)
            events = [event async for event in self._session.all_events(after)]
            began = _beginning(events, turn_id)
            if began is not None:
                whole = tuple([await whole_event(event, self._blobs) for event in events[began:]])
                return Told(Answer(self._session.session_id), whole, events[-1].seq)
            if after == 0:
                return None
            reach *= 8

    async def replay(self, told: Told) -> AsyncIterator[bytes]:
        """The whole answer, for a client that has nothing of it or only a part."""
        made = [chunk for event in told.events for chunk in told.answer.take(event)]
        async for frame in self._go_on(told, made):
            yield frame

    async def continued(
        self, told: Told, message_id: str, seen: dict[str, ClientCall], answered: Iterable[str]
    ) -> AsyncIterator[bytes]:
        """What of the answer `message_id` is new to a client that has these calls of it. `answered`: it has just settled
        those."""
        if told.answer_id != message_id:
            # A message has joined the turn since, and what goes on answers that one.
            for chunk in (chunks.start(message_id, {}), chunks.finish("stop", {"reason": "joined"})):
                yield chunks.encoded(chunk)
            yield chunks.DONE
            return
        begins = _first_unseen(told.events, seen, frozenset(answered))
        made: list[Chunk] = []
        for event in told.events:
            if begins is not None and event.seq == begins:
                made = told.answer.again()
            made += told.answer.take(event)
        if begins is None:
            made = told.answer.again()
        async for frame in self._go_on(told, made):
            yield frame

    async def of(self, items: AsyncGenerator[Item], waits_from: int = 0) -> AsyncIterator[bytes]:
        """The answer that begins with the first of these items. That it waits counts from `waits_from` on: what was asked
        before may be answered."""
        answer = Answer(self._session.session_id)
        async for frame in _frames(answer, items, waits_from):
            yield frame

    async def after_rewind(self, cursor: int, branch: str) -> AsyncGenerator[Item]:
        """All that the session sends from the turn on with which it goes on along a branch."""
        rewound = begun = False
        async with aclosing(self._watches.follow(self._session.workflow_id, cursor, patient=True)) as items:
            async for item in items:
                rewound = rewound or (isinstance(item.value, TranscriptRewound) and item.value.branch == branch)
                begun = begun or (rewound and isinstance(item.value, TurnStarted))
                if begun:
                    yield item

    async def _go_on(self, told: Told, made: list[Chunk]) -> AsyncIterator[bytes]:
        answer = told.answer
        if answer.over or answer.is_joined or answer.waits:
            for chunk in settled([*made, *answer.ending()]):
                yield chunks.encoded(chunk)
            yield chunks.DONE
            return
        for chunk in settled(made):
            yield chunks.encoded(chunk)
        items = self._watches.follow(self._session.workflow_id, told.seq, patient=True)
        async for frame in _frames(answer, items):
            yield frame


async def opened(items: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    """The items of a message's turn without the turn's beginning, where the message has joined it later."""
    begun: Item | None = None
    async with aclosing(items):
        async for item in items:
            if isinstance(item.value, TurnStarted):
                begun = item
                continue
            if begun is not None:
                if item.seq is not None and begun.seq is not None and item.seq == begun.seq + 1:
                    yield begun
                begun = None
            yield item


async def _frames(answer: Answer, items: AsyncGenerator[Item], waits_from: int = 0) -> AsyncIterator[bytes]:
    # A reader that goes away must end the watch's reader too, now and not when it is collected.
    async with aclosing(items):
        async for item in items:
            made = answer.take(item.value)
            waits = answer.waits and (item.seq or 0) >= waits_from
            if answer.over or answer.is_joined or waits:
                made += answer.ending()
            elif isinstance(item.value, MessageRejected) and answer.id is None:
                made.append(
                    chunks.error(_REJECTED.get(item.value.reason, f"The message was rejected: {item.value.reason}."))
                )
            for chunk in made:
                yield chunks.encoded(chunk)
            if made and made[-1]["type"] in ("finish", "abort", "error"):
                yield chunks.DONE
                return
    yield chunks.encoded(chunks.error(_GONE))
    yield chunks.DONE


def _beginning(events: list[Event], turn_id: str) -> int | None:
    """Where the last answer of a turn begins among `events`; None where that is before them."""
    opens: int | None = None
    begun = False
    for place, event in enumerate(events):
        if isinstance(event, TurnStarted) and event.turn_id == turn_id:
            opens = place
        elif opens is not None and event.turn_id == turn_id and isinstance(event, MessageAdded):
            if said_by_user(event.message):
                opens, begun = (place if begun else opens), True
            else:
                begun = True
        elif event.turn_id == turn_id and event.type in ("step.started", "tool.started", "tool.finished"):
            begun = True
    return opens


def _first_unseen(events: tuple[Event, ...], seen: dict[str, ClientCall], answered: frozenset[str]) -> int | None:
    """`seq` of the first event of an answer that is new to a client; None: it has everything."""
    for event in events:
        match event:
            case StepFinished() if any(
                isinstance(part, ToolCall) and part.call_id not in seen for part in event.message.parts
            ):
                return event.seq
            case ToolFinished() if event.undoes is None and (
                event.call_id in answered or (event.call_id in seen and not seen[event.call_id].is_settled)
            ):
                return event.seq
            case _:
                pass
    return None
