"""What sealed segments hold: their messages come from their events, and are those that the fold has."""

import random

import pytest
from pydantic import JsonValue

from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.segment_refs import SegmentRef, holding
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.vocabulary.parts import Text
from tests.support.core import Story, user

pytestmark = pytest.mark.pure


def story(rng: random.Random, turns: int) -> Story:
    told = Story.new().loaded()
    for number in range(turns):
        told.turn(f"turn {number}")
        for _ in range(rng.randint(0, 2)):
            calls: list[dict[str, JsonValue]] = [{"a": 1}] * rng.randint(1, 3)
            told.called(*calls)
            for call in told.calls:
                told.result(call.call_id, "x" * rng.randint(1, 50))
        told.open()
        told.answered(*[Text(text="well")] * rng.randint(0, 1)).finished()
    return told


@pytest.mark.parametrize("seed", range(20))
def test_the_messages_of_a_segment_are_those_that_the_fold_makes_of_its_events(seed: int) -> None:
    state = story(random.Random(seed), 6).state
    segment = Segment(first=1, start=0, events=state.log.events)
    assert segment.said() == state.transcript.messages
    assert segment.of(2, 5) == state.transcript.messages[2:5]


def test_messages_that_no_event_holds_come_first() -> None:
    state = story(random.Random(1), 1).state
    older = (user("older", "m-2"), user("old", "m-1"))
    segment = Segment(first=1, start=10, events=state.log.events, messages=older)
    assert segment.said() == (*older, *state.transcript.messages)
    assert segment.of(11, 13) == (older[1], state.transcript.messages[0])


def test_the_refs_that_hold_some_messages() -> None:
    refs = tuple(
        SegmentRef(sha256="0", size=1, first=1, last=0, start=start, stop=start + 10) for start in range(0, 50, 10)
    )
    assert holding(refs, (Stretch(start=9, stop=11), Stretch(start=40, stop=41))) == (refs[0], refs[1], refs[4])
    assert holding(refs, ()) == ()
