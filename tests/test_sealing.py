"""Sealing: whatever happens to a session, its segments and its tail tell together what the session would hold unsealed."""

import json
from dataclasses import replace

import pytest

from perdure.workflows.core.actions import Wait
from perdure.workflows.core.answers import model_input
from perdure.workflows.core.effects import SEAL
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.runs import handed_over, lifted
from perdure.workflows.core.state.inbox import Inbox
from perdure.workflows.core.state.sealing import LEFT, MOST, SEAL_ABOVE, Cut
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.segment_refs import FAN_OUT
from perdure.workflows.protocol.signals import Close
from perdure.workflows.protocol.steps import ModelInputRequest
from perdure.workflows.vocabulary.events import StepFinished, ToolFinished
from perdure.workflows.vocabulary.parts import ToolCall
from tests.support.core import Story
from tests.support.twins import Twins

pytestmark = pytest.mark.pure


def check(twins: Twins) -> None:
    sealing, whole = twins.sealing.state, twins.whole.state
    assert twins.events() == whole.log.events
    assert twins.messages() == whole.transcript.messages
    assert twins.steps() == whole.log.steps
    assert (sealing.log.seq, sealing.transcript.total) == (whole.log.seq, whole.transcript.total)
    assert sealing.transcript.view == whole.transcript.view
    assert sealing.transcript.size == whole.transcript.size
    number, seq = 0, 1
    for ref, leaf in zip(twins.refs(), twins.leaves(), strict=True):
        assert (leaf.start, leaf.first, ref.start, ref.first) == (number, seq, number, seq)
        assert (ref.stop, ref.last, ref.steps) == (number + len(leaf.said()), leaf.last, len(leaf.steps))
        number, seq = ref.stop, leaf.last + 1
        check_whole_calls(leaf.events)
    for record in sealing.log.steps:
        assert build_prompt(sealing, record) == build_prompt(whole, record)
    for record in sealing.log.steps[-1:]:
        check_view(twins, sealing, record.step_id)


def check_whole_calls(events: object) -> None:
    """No call is parted from its result."""
    assert isinstance(events, tuple)
    called = [
        p.call_id for e in events if isinstance(e, StepFinished) for p in e.message.parts if isinstance(p, ToolCall)
    ]
    assert sorted(called) == sorted(e.call_id for e in events if isinstance(e, ToolFinished))


def check_view(twins: Twins, state: SessionState, step_id: str) -> None:
    """What a step's model call sees is the same, page by page, whether or not it knows the beginning."""
    record = twins.whole.state.log.step(step_id)
    assert record is not None
    expected = twins.whole.state.transcript.seen(record.view)
    earlier = state.log.steps[0].view
    for known in (0, earlier.count):
        request = ModelInputRequest(step_id=step_id, epoch=earlier.epoch, after=known, prefix=earlier.prefix)
        request = request if known else ModelInputRequest(step_id=step_id)
        page = model_input(state, request)
        found = expected[: page.start]
        while True:
            found += twins.numbered(page.sealed) + page.messages
            if len(found) >= record.view.count:
                break
            request = ModelInputRequest(
                step_id=step_id, epoch=record.view.epoch, after=len(found), prefix=record.view.prefix, paging=True
            )
            page = model_input(state, request)
        assert found == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_sealed_session_tells_what_an_unsealed_one_tells(seed: int) -> None:
    play(seed, 400)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_sealed_sessions_tell_what_unsealed_ones_tell(seed: int) -> None:
    play(seed, 1_500)


def play(seed: int, moves: int) -> None:
    twins = Twins(seed)
    for number in range(moves):
        twins.happen()
        if number % 50 == 0:
            twins.next_run()
        if number % 130 == 0:
            check(twins)
    twins.rest()
    twins.next_run()
    check(twins)
    assert twins.sealed > 5
    assert twins.failures


def test_the_state_that_a_run_hands_over_stays_small_however_much_was_said() -> None:
    """Also once refs have been folded into an index."""
    twins = Twins(1)
    while twins.sealed < FAN_OUT + 3:
        twins.happen()
    twins.rest()
    assert {ref.level for ref in twins.sealing.state.log.segments} >= {1}
    assert len(twins.sealing.state.log.segments) < FAN_OUT
    check(twins)
    said = twins.sealing.state.transcript.size
    assert len(handed_over(twins.sealing.state).model_dump_json()) < SEAL_ABOVE * 2 < said / 4
    assert sum(map(len, twins.blobs.values())) < said


def test_a_seal_is_never_due_for_what_is_open_and_leaves_the_recent_past() -> None:
    story = Story.new(behavior=1).loaded()
    story.turn("x" * SEAL_ABOVE).open()
    assert due(story.state) is None
    story.answered().finished()
    assert due(story.state) is None
    story.whole_turn("y", "z" * LEFT)
    cut = due(story.state)
    assert cut is not None
    assert story.state.sealing.size - cut.size >= LEFT
    assert story.state.log.events[cut.seq - 1].type in ("turn.started", "message.added")


def test_a_session_that_is_told_to_close_ends_once_its_seal_has() -> None:
    twins = Twins(2)
    while SEAL not in twins.open.open:
        twins.happen()
    for driver in twins.both:
        driver.receive(Close(id="close", reason="bye"))
        driver.advance()
    while twins.open.open.keys() - {SEAL}:
        twins.settle_alone()
    assert next_action(twins.sealing.state) == Wait(frozenset([SEAL]))
    twins.end_sealing_well()
    assert twins.sealing.state.closed


def test_a_store_that_is_down_is_tried_again_after_ever_more_words_up_to_a_bound() -> None:
    sealing = Story.new(behavior=1).state.sealing
    waits = []
    for _ in range(8):
        sealing = replace(sealing, open=None).failed()
        waits.append((sealing.due_above - sealing.held) // 1024)
    assert waits == [8, 16, 32, 64, 64, 64, 64, 64]


def due(state: SessionState) -> Cut | None:
    return state.sealing.due(len(state.log.steps))


def older(turns: int) -> SessionState:
    """A session that an older version began, which holds all that was said and the events of its last 200 turns."""
    story = Story.new().loaded()
    for number in range(turns):
        if number % 10 == 0:
            story.turn(f"turn {number}").called({"a": 1}, {"a": 2})
            for call in story.calls:
                story.result(call.call_id, "r" * 1_000)
            story.open()
            story.answered().finished()
        else:
            story.whole_turn("q" * 2_000, "a" * 2_000)
    # In a story, a content's hash is the content.
    return replace(story.state, inbox=Inbox())


def test_a_session_begun_before_seals_its_long_past_in_parts_of_bounded_size() -> None:
    before = older(700)
    assert before.log.oldest > 1
    twins = Twins(3)
    twins.sealing.state = lifted(before, 1)
    twins.whole.state = before
    unsealed = before.transcript.messages, before.log.events, before.log.steps
    assert due(twins.sealing.state) is not None
    twins.sealing.advance()
    while twins.open.open:
        twins.end_sealing_well()
    state = twins.sealing.state
    leaves = twins.leaves()
    assert (twins.messages(), twins.events(), twins.steps()) == unsealed
    assert len(leaves) > 5
    assert max(len(leaf.model_dump_json()) for leaf in leaves) <= MOST + 32 * 1024
    assert leaves[0].messages
    assert not leaves[0].events
    assert (leaves[0].first, leaves[0].start) == (before.log.oldest, 0)
    assert len(json.dumps(handed_over(state).model_dump(mode="json"))) < 2 * SEAL_ABOVE
