"""The last messages of a session, and where the events begin that tell them."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.sealed import Sealed, Shown
from perdure.temporal.sessions.snapshot import message_page, whole_snapshot
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.core import answers
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.vocabulary.parts import Message
from tests.support.core import Story

T = TypeVar("T")
SESSION = "acme/s1"


class Asked:
    """A session that is asked as its gateway asks it."""

    def __init__(self, state: SessionState) -> None:
        self.state = state

    async def query(self, session: str, method: object, request: PageRequest) -> SnapshotPage:
        return answers.snapshot(self.state, session, request)


NO_BLOBS = LocalBlobs(Path("/nowhere"))


def last(state: SessionState, count: int | None) -> tuple[Message | Shown, ...]:
    backend, sealed = cast(Backend, Asked(state)), Sealed(NO_BLOBS)
    return done(whole_snapshot(backend, NO_BLOBS, sealed, SESSION, count)).messages


def before(state: SessionState, position: int | None, limit: int) -> tuple[int, int | None, list[str]]:
    backend, sealed = cast(Backend, Asked(state)), Sealed(NO_BLOBS)
    excerpt, messages = done(message_page(backend, NO_BLOBS, sealed, SESSION, position, limit))
    return excerpt.before, excerpt.since, [message.id for message in messages]


def done(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def told(turns: int, words: int = 1) -> Story:
    story = Story.new().loaded()
    for number in range(1, turns + 1):
        story.whole_turn(f"question {number} " + "word " * words)
    return story


def test_the_last_messages_are_those_before_the_end() -> None:
    state = told(4).state
    assert [message.id for message in last(state, 3)] == ["t3.s1", "m4", "t4.s1"]
    assert [message.id for message in last(state, None)] == [message.id for message in state.transcript.messages]
    assert last(state, 0) == ()


def test_pages_go_back_to_the_beginning() -> None:
    state = told(4).state
    seen: list[str] = []
    position: int | None = None
    while position != 0:
        position, _, messages = before(state, position, 3)
        seen = [*messages, *seen]
    assert seen == [message.id for message in state.transcript.messages]
    assert before(state, 100, 2)[0] == 6


def test_long_messages_come_in_several_answers_to_the_same_page() -> None:
    state = told(8, words=12_000).state
    assert len(answers.snapshot(state, SESSION, PageRequest()).messages) < 16
    assert last(state, 11) == state.transcript.messages[5:]
    assert last(state, None) == state.transcript.messages


def test_the_events_after_the_cursor_tell_the_messages() -> None:
    state = told(4).state
    for limit in range(1, 8):
        position, since, messages = before(state, None, limit)
        assert since is not None
        page = answers.events(state, since)
        assert page.events[0].type == "turn.started"
        turns = {message.turn_id for message in state.transcript.messages[position:]}
        assert {event.turn_id for event in page.events} == turns
        assert len(messages) == limit


def test_what_follows_a_rewind_has_its_cursor_and_what_came_before_has_none() -> None:
    story = told(3)
    transcript = story.state.transcript
    # The second turn is told anew: its two messages and the third turn's are on another branch.
    rewound = replace(transcript, path=transcript.path.cut(2, transcript.total))
    story.state = replace(story.state, transcript=rewound)
    story.whole_turn("again")
    assert [message.id for message in last(story.state, None)] == ["m1", "t1.s1", "m4", "t4.s1"]
    assert before(story.state, None, 2)[1] == story.state.log.before_turn("t4")
    assert before(story.state, None, 3)[1] is None
    assert before(story.state, 2, 2)[1] is None
    assert before(story.state, 1, 1)[1] is not None
