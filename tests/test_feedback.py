"""Feedback on turns over the pure core: what is kept and told, what repeats do, and how it goes with forks and segments."""

import pytest

from perdure.workflows.core.answers import snapshot
from perdure.workflows.core.feedback import feedback_state
from perdure.workflows.core.fork import past
from perdure.workflows.core.state.feedback import KEPT_FEEDBACK, Feedback, text_mark
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.core.weights import weight_of
from perdure.workflows.protocol.feedback import TurnScore
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.protocol.segments import Segment, ref_of
from perdure.workflows.protocol.signals import Close, GiveFeedback
from perdure.workflows.vocabulary.events import FeedbackGiven, TurnFinished
from perdure.workflows.vocabulary.questions import By
from tests.support.core import AT
from tests.support.rewinding import Talk

pytestmark = pytest.mark.pure

ANN = By(subject="ann", scopes=("session:write",))


def talk(turns: int = 2) -> Talk:
    made = Talk()
    for number in range(1, turns + 1):
        made.say(f"say {number}", f"m{number}")
        made.answers("done")
    return made


def give(made: Talk, turn_id: str, score: float, text: str | None = None, *, id_: str = "") -> None:
    made.commands += 1
    command = GiveFeedback(id=id_ or f"f{made.commands}", turn_id=turn_id, score=score, text=text, by=ANN)
    made.driver.receive(command)
    made.advance()


def given(made: Talk) -> list[tuple[str | None, float, str | None]]:
    return [(event.turn_id, event.score, event.text) for event in made.events if isinstance(event, FeedbackGiven)]


def scores(made: Talk) -> dict[str, float]:
    return {one.turn_id: one.score for one in snapshot(made.state, "acme/s1", PageRequest()).feedback}


def test_the_latest_feedback_on_a_turn_counts_and_all_of_it_is_told() -> None:
    made = talk()
    before = made.state
    give(made, "t1", 1)
    give(made, "t1", -1, "It was slow")
    give(made, "t2", 0.5)
    assert given(made) == [("t1", 1, None), ("t1", -1, "It was slow"), ("t2", 0.5, None)]
    assert {event.by for event in made.events if isinstance(event, FeedbackGiven)} == {ANN}
    assert scores(made) == {"t1": -1, "t2": 0.5}
    assert (made.state.status, made.state.turns, made.state.transcript) == ("idle", 2, before.transcript)
    assert read_state(dump_state(made.state)).feedback == made.state.feedback

    give(made, "t1", 0)
    assert scores(made) == {"t2": 0.5}
    assert given(made)[-1] == ("t1", 0, None)


def test_what_is_given_already_is_not_given_again() -> None:
    made = talk()
    give(made, "t1", 0)
    give(made, "t1", 1, "Good", id_="same")
    give(made, "t1", 1, "Good")
    assert given(made) == [("t1", 1, "Good")]
    give(made, "t1", 1, "Very good")
    # A repeat that comes late does not bring back what was given before.
    give(made, "t1", 1, "Good", id_="same")
    assert given(made) == [("t1", 1, "Good"), ("t1", 1, "Very good")]


def test_only_turns_that_have_begun_take_feedback_and_a_closed_session_takes_none() -> None:
    made = talk(1)
    made.say("go on", "m2")
    for turn_id in ("t3", "t0", "t01", "m1", ""):
        give(made, turn_id, 1)
        assert not feedback_state(made.state, turn_id).known
    assert given(made) == []
    give(made, "t2", 1)
    give(made, "t1", -1)
    assert given(made) == [("t2", 1, None), ("t1", -1, None)]
    assert made.state.turn_id == "t2"
    made.answers("done")

    made.driver.receive(Close(id="bye"))
    made.advance()
    assert made.events[-1].type == "session.closed"
    give(made, "t1", 1)
    assert made.events[-1].type == "session.closed"
    state = feedback_state(made.state, "t1")
    assert (state.closed, state.known, state.score) == (True, True, -1)


def test_the_turns_that_were_rated_last_are_kept_in_mind() -> None:
    feedback = Feedback()
    for number in range(1, KEPT_FEEDBACK + 11):
        event = FeedbackGiven(seq=number, at=AT, turn_id=f"t{number}", score=1, text="x" * 4_000)
        feedback = feedback.with_event(event)
    again = FeedbackGiven(seq=999, at=AT, turn_id="t11", score=-1)
    feedback = feedback.with_event(again).with_event(again.model_copy(update={"turn_id": "t1", "seq": 1_000}))
    assert len(feedback.given) == KEPT_FEEDBACK
    assert next(iter(feedback.given)) == "t13"
    assert feedback.scores[-2:] == (TurnScore(turn_id="t11", score=-1), TurnScore(turn_id="t1", score=-1))
    # However long the texts are, the state that is carried stays small.
    made = talk(1)
    give(made, "t1", -1, "x" * 4_000)
    assert made.state.feedback.of("t1").text_sha256 == text_mark("x" * 4_000)
    assert "xxxx" not in made.state.feedback.of("t1").text_sha256
    assert weight_of(made.events[-1]) > 4_000


def test_a_fork_has_what_was_given_in_its_past() -> None:
    made = talk(1)
    give(made, "t1", 1)
    made.say("go on", "m2")
    made.answers("done")
    give(made, "t2", -1)
    assert past(made.state, "t2", keep_turn=True).feedback.scores == (TurnScore(turn_id="t1", score=1),)
    assert past(made.state, "t1", keep_turn=True).feedback == Feedback()


def test_a_part_of_the_past_is_not_of_an_old_turn_because_feedback_came_late() -> None:
    made = talk(3)
    give(made, "t1", 1)
    start = next(event.seq for event in made.events if isinstance(event, TurnFinished) and event.turn_id == "t2")
    events = tuple(event for event in made.state.log.events if event.seq > start)
    assert {"t1", "t3"} <= {event.turn_id for event in events}
    segment = Segment(first=start + 1, start=0, events=events, steps=(), messages=(), agents={})
    ref = ref_of(segment, "0" * 64, 1)
    assert (ref.first_turn, ref.last_turn) == (3, 3)
