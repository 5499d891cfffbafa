"""A sealed past reads as if the session held it: events from any cursor, messages, steps, pasts to fork from."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from perdure.gateway.projections.snapshot_json import said_json
from perdure.temporal.sessions.errors import InvalidRequest, StateLost
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.pasts import in_whole, read_past
from perdure.temporal.sessions.sealed import Sealed, Shown, all_events
from perdure.temporal.sessions.snapshot import message_page, read_snapshot, whole_snapshot
from perdure.temporal.sessions.trace import find_step, kept_steps, last_steps
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.core.fork import last_finished, past
from perdure.workflows.protocol.segment_blobs import encode_segment
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment, ref_of
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Message, Text
from tests.support.core import Story
from tests.support.sealed_session import SESSION, asked, lived, stored
from tests.support.twins import Twins


@pytest.fixture(scope="module", params=range(3))
def twins(request: pytest.FixtureRequest) -> Twins:
    return lived(request.param)


def shown_as(messages: Iterable[Message | Shown]) -> list[dict[str, Any]]:
    """As viewers are shown them."""
    found: list[dict[str, Any]] = orjson.loads(to_json(said_json(messages)))
    return found


async def test_every_cursor_gives_the_events_greater_than_it(twins: Twins, tmp_path: Path) -> None:
    _, sealed = await stored(twins, tmp_path)
    state, whole = twins.sealing.state, twins.whole.state
    for after in range(whole.log.seq + 1):
        page = await asked(state).events(SESSION, after)
        found: list[Event] = []
        async for events in all_events(sealed, SESSION, page, after):
            found += events
        assert tuple(found) == whole.log.events[after : after + len(found)]
        assert page.more or len(found) == whole.log.seq - after
        assert page.oldest == 1


async def test_the_transcript_is_whole_and_its_pages_are(twins: Twins, tmp_path: Path) -> None:
    blobs, sealed = await stored(twins, tmp_path)
    backend, whole = asked(twins.sealing.state), twins.whole.state
    page, messages = await read_snapshot(backend, sealed, SESSION)
    assert messages == whole.transcript.messages
    assert page.count == len(messages)
    twin = await whole_snapshot(asked(whole), blobs, sealed, SESSION)
    expected = shown_as(twin.messages)
    # The second time, what is sealed comes from memory.
    for _ in range(2):
        snapshot = await whole_snapshot(backend, blobs, sealed, SESSION)
        assert shown_as(snapshot.messages) == expected

    before: int | None = None
    shown: list[dict[str, Any]] = []
    while before != 0:
        excerpt, some = await message_page(backend, blobs, sealed, SESSION, before, 7)
        shown = [*shown_as(some), *shown]
        assert excerpt.since is not None
        first = next(event for event in whole.log.events if event.seq == excerpt.since + 1)
        assert (first.type, first.turn_id) == ("turn.started", some[0].turn_id)
        before = excerpt.before
    assert shown == expected


async def test_each_step_is_there_with_its_events(twins: Twins, tmp_path: Path) -> None:
    _, sealed = await stored(twins, tmp_path)
    backend, whole = asked(twins.sealing.state), asked(twins.whole.state)
    expected = [step async for step in kept_steps(whole, sealed, SESSION)]
    for after in (0, 1, len(expected) // 2, len(expected) - 1):
        steps = [step async for step in kept_steps(backend, sealed, SESSION, after)]
        assert [step.model_copy(update={"agent": None}) for step in steps] == expected[after:]
    for before, limit in ((2**31, 7), (len(expected) // 2, 1000), (5, 3), (0, 3)):
        start, some = await last_steps(backend, sealed, SESSION, before, limit)
        stop = min(before, len(expected))
        assert start == max(stop - limit, 0)
        assert [step.record for step in some] == [step.record for step in expected[start:stop]]
    for step in expected[:: len(expected) // 9]:
        found = await find_step(backend, sealed, SESSION, step.record.step_id)
        assert found is not None
        assert (found.record, found.events) == (step.record, step.events)
    assert await find_step(backend, sealed, SESSION, "t1.s99") is None


@pytest.mark.parametrize("keep_turn", [True, False])
async def test_each_turn_has_the_past_that_it_had(twins: Twins, tmp_path: Path, keep_turn: bool) -> None:
    _, sealed = await stored(twins, tmp_path)
    state, whole = twins.sealing.state, twins.whole.state
    sent = [one.id for one in whole.transcript.messages if one.role == "user"]
    deepest = 0
    for number in range(1, whole.turns + 1):
        turn_id = f"t{number}"
        found = await read_past(asked(state), sealed, SESSION, turn_id, keep_turn=keep_turn)
        assert len(found.log.events) < 400
        deepest = max(deepest, len(found.log.segments))
        expected = past(whole, turn_id, keep_turn)
        unsealed = await in_whole(sealed, SESSION, found)
        assert unsealed.log.seq == found.log.seq == expected.log.seq
        assert replace(unsealed.log, segments=()) == expected.log
        assert unsealed.transcript.messages == expected.transcript.messages
        assert (found.transcript.total, found.transcript.path) == (expected.transcript.total, expected.transcript.path)
        assert unsealed.dates == expected.dates
        assert (found.turns, found.slot.last_model) == (expected.turns, expected.slot.last_model)
        assert unsealed.slot.kept == expected.slot.kept
        # The turn that can be run on.
        assert found.ended == expected.ended
        # A message that is sent again is a repeat where it was said, and only there.
        assert {one for one in sent if found.inbox.taken_in(one)} == {
            one for one in sent if expected.inbox.taken_in(one)
        }
        # About: of a segment that is cut, or read again, nothing is guessed.
        assert found.transcript.size == expected.transcript.size
    assert deepest > 1


async def test_the_last_turn_that_ended_has_a_past_too(twins: Twins, tmp_path: Path) -> None:
    _, sealed = await stored(twins, tmp_path)
    found = await read_past(asked(twins.sealing.state), sealed, SESSION, None, keep_turn=True)
    assert found.log.seq == past(twins.whole.state, last_finished(twins.whole.state), True).log.seq
    with pytest.raises(InvalidRequest, match="turn_id"):
        await read_past(asked(twins.sealing.state), sealed, SESSION, "t999", keep_turn=True)


async def test_a_lost_segment_costs_what_needs_it(twins: Twins, tmp_path: Path) -> None:
    await stored(twins, tmp_path)
    lost = twins.refs()[0]
    (tmp_path / lost.key(SESSION)).unlink()
    blobs = LocalBlobs(tmp_path)
    sealed, backend, whole = Sealed(blobs), asked(twins.sealing.state), twins.whole.state
    with pytest.raises(StateLost, match=lost.sha256):
        await whole_snapshot(backend, blobs, sealed, SESSION)
    with pytest.raises(StateLost, match=lost.sha256):
        [step async for step in kept_steps(backend, sealed, SESSION)]
    last = await whole_snapshot(backend, blobs, sealed, SESSION, 20)
    assert shown_as(last.messages) == shown_as(whole.transcript.messages[-20:])
    page = await backend.events(SESSION, lost.last)
    found = [event async for events in all_events(sealed, SESSION, page, lost.last) for event in events]
    assert tuple(found) == whole.log.events[lost.last : lost.last + len(found)]
    assert await find_step(backend, sealed, SESSION, whole.log.steps[-1].step_id)
    past_of_last = await read_past(backend, sealed, SESSION, None, keep_turn=True)
    assert past_of_last.log.segments[0].first == 1


async def test_what_is_erased_is_forgotten(twins: Twins, tmp_path: Path) -> None:
    blobs, sealed = await stored(twins, tmp_path)
    backend = asked(twins.sealing.state)
    await whole_snapshot(backend, blobs, sealed, SESSION)
    await blobs.delete_prefix(SESSION)
    await whole_snapshot(backend, blobs, sealed, SESSION)
    sealed.forget(SESSION)
    with pytest.raises(StateLost):
        await whole_snapshot(backend, blobs, sealed, SESSION)


async def test_a_fork_in_other_words_knows_the_turn_before_though_a_summary_was_begun_between(tmp_path: Path) -> None:
    """The summary has a step of its own, which is no sign that the turn itself is at hand."""
    story = Story.new(behavior=1).loaded().turn("one")
    story.open()
    story.answered(Text(text="1")).finished("stopped")
    ended = story.state.ended
    first = story.state
    story.whole_turn("two")
    second = story.state
    story.whole_turn("three")
    whole = story.state
    summary = first.log.steps[0].model_copy(update={"step_id": "k1"})
    steps = second.log.steps
    blobs, start = LocalBlobs(tmp_path), 0
    refs: tuple[SegmentRef, ...] = ()
    for events, some in (
        (first.log.events, steps[:1]),
        (second.log.events[first.log.seq :], (summary, *steps[1:])),
    ):
        segment = Segment(first=events[0].seq, start=start, events=events, steps=some)
        data = encode_segment(segment)
        ref = ref_of(segment, hashlib.sha256(data).hexdigest(), len(data))
        await blobs.put(ref.key(SESSION), data)
        refs, start = (*refs, ref), ref.stop
    log = replace(whole.log, segments=refs, events=whole.log.events[second.log.seq :], steps=whole.log.steps[2:])
    transcript = replace(whole.transcript, base=start, messages=whole.transcript.messages[start:])
    backend = asked(replace(whole, log=log, transcript=transcript))

    found = await read_past(backend, Sealed(blobs), SESSION, "t2", keep_turn=False)

    assert ended is not None
    assert ended.reason == "stopped"
    assert found.ended == ended
