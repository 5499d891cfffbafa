"""The history of a session up to one of its turns, as the state with which a fork begins."""

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from perdure.workflows.core import answers
from perdure.workflows.core.actions import LoadAgent, Rest
from perdure.workflows.core.changes import (
    CloseRequested,
)
from perdure.workflows.core.fork import TurnRuns, UnknownTurn, last_finished, past, retold
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.state import log as log_module
from perdure.workflows.core.state.books import Books
from perdure.workflows.core.state.session import SessionState, read_state
from perdure.workflows.core.state.transcript import Transcript
from perdure.workflows.protocol.queries import PAGE_BYTES, PastPage, PastRequest
from perdure.workflows.vocabulary.parts import BlobRef, Message, Text
from tests.support.core import Story, agent, user

pytestmark = pytest.mark.pure


def talk(turns: int = 3) -> Story:
    story = Story.new().loaded()
    for number in range(1, turns + 1):
        story.whole_turn(f"question {number}", f"answer {number}")
    return story


def told(state: SessionState) -> list[str]:
    return [part.text for message in state.transcript.messages for part in message.parts if isinstance(part, Text)]


def whole(state: SessionState, request: PastRequest) -> SessionState:
    """The state assembled from the query's pages."""
    data, sha256 = b"", None
    while True:
        page = answers.past(state, request.model_copy(update={"after": len(data), "sha256": sha256}))
        assert page.refused is None
        assert len(page.model_dump_json()) <= PAGE_BYTES
        assert page.start == len(data)
        sha256, data = page.sha256, data + base64.b64decode(page.data)
        if not page.more:
            return read_state(zlib.decompress(data))


def test_the_past_up_to_the_end_of_a_turn_is_what_it_was_then() -> None:
    story = Story.new().loaded()
    story.whole_turn("question 1", "answer 1").whole_turn("question 2", "answer 2")
    then = story.state
    story.whole_turn("question 3", "answer 3")

    found = past(story.state, "t2", keep_turn=True)

    assert found == replace(then, books=Books())


def test_the_past_before_a_turn_is_the_one_after_the_turn_before() -> None:
    state = talk().state
    assert past(state, "t3", keep_turn=False) == past(state, "t2", keep_turn=True)
    first = past(state, "t1", keep_turn=False)
    assert (first.log.seq, [event.type for event in first.log.events]) == (1, ["session.started"])
    assert (first.transcript, first.turns, first.log.steps) == (Transcript(), 0, ())
    assert first.slot.last_model is None


def test_what_came_between_two_turns_belongs_to_the_later() -> None:
    story = talk(1).loaded(agent("d2"))
    story.event("agent.updated", old="d1", new="d2")
    story.whole_turn()

    before, after = past(story.state, "t2", keep_turn=False), past(story.state, "t1", keep_turn=True)

    assert before.log.events[-1].type == "agent.updated"
    assert after.log.events[-1].type == "turn.finished"
    assert set(after.slot.kept) == {"d1", "d2"}


def test_a_definition_that_nothing_kept_ran_with_is_left_out() -> None:
    story = Story.new().loaded(agent("d1")).whole_turn().loaded(agent("d2")).whole_turn().loaded(agent("d3"))
    assert set(past(story.state, "t2", keep_turn=True).slot.kept) == {"d1", "d2", "d3"}
    assert set(past(story.state, "t2", keep_turn=False).slot.kept) == {"d1", "d3"}


def test_a_closed_session_at_work_leaves_its_past_at_rest() -> None:
    story = talk(1).turn("question 2").accepted("waits", "m9").note(CloseRequested(reason="enough"))
    found = past(story.state, "t2", keep_turn=False)
    assert next_action(found) == Rest()
    assert (found.turn, found.closing, found.closed) == (None, None, False)
    assert (found.inbox.messages, found.inbox.command_ids, set(found.inbox.seen)) == ((), (), {"m1"})


def test_another_definition_is_loaded_first() -> None:
    found = past(talk().state, "t2", keep_turn=True)
    found = replace(found, slot=replace(found.slot, digest="d9"))
    assert next_action(found) == LoadAgent("d9")


def test_a_message_that_waited_then_has_its_disposition() -> None:
    story = talk(1).turn("question 2")
    for number in (3, 4):
        story.accepted(f"question {number}", f"m{number}")
        story.event("message.queued", message_id=f"m{number}", position=number - 2, turn_id=None)
    story.event("message.rejected", message_id="m3", reason="conflict", turn_id=None)
    story.open()
    story.answered(Text(text="answer 2")).finished()
    story.event("turn.started", turn_id="t3", cause="message")
    story.event("message.added", message=user("question 3", "m3").model_copy(update={"turn_id": "t3"}))
    story.open()
    story.answered(Text(text="answer 3")).finished()

    second, third = (past(story.state, turn, keep_turn=True) for turn in ("t2", "t3"))

    for found, forked in ((second, ["m3", "m4"]), (third, ["m4"])):
        rejected = [e.message_id for e in found.log.events if e.type == "message.rejected" and e.reason == "forked"]
        assert rejected == forked
        assert [event.seq for event in found.log.events] == list(range(1, found.log.seq + 1))
    assert told(second)[-1] == "answer 2"


@pytest.mark.parametrize("turn_id", ["t4", "t0", "t-1", "t01", "t", "", "4", "x1", "t1.s1", "t²", "t" + "9" * 300])
def test_an_unknown_turn(turn_id: str) -> None:
    for keep_turn in (True, False):
        with pytest.raises(UnknownTurn):
            past(talk().state, turn_id, keep_turn=keep_turn)
    assert answers.past(talk().state, PastRequest(turn_id=turn_id, keep_turn=True)) == PastPage(refused="unknown_turn")


def test_a_turn_that_runs_is_no_past_and_what_came_before_it_is() -> None:
    state = talk(2).turn("question 3").state
    with pytest.raises(TurnRuns):
        past(state, "t3", keep_turn=True)
    assert answers.past(state, PastRequest(turn_id="t3", keep_turn=True)) == PastPage(refused="turn_running")
    assert told(past(state, "t3", keep_turn=False))[-1] == "answer 2"
    assert last_finished(state) == "t2"


def test_there_is_a_last_turn_once_one_has_ended() -> None:
    for story in (Story.new().loaded(), Story.new().loaded().turn()):
        with pytest.raises(UnknownTurn):
            last_finished(story.state)
    assert last_finished(talk().state) == "t3"


def test_a_turn_whose_events_are_dropped_leaves_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "KEPT_TURNS", 2)
    state = talk(5).state
    for turn, keep_turn in (("t2", True), ("t3", True), ("t4", False)):
        found = past(state, turn, keep_turn=keep_turn)
        assert (found.log.events, found.log.turn_starts, found.log.steps) == ((), (), ())
        assert (found.log.seq, found.log.oldest) == (state.log.oldest - 1, state.log.oldest)
        assert told(found)[-1] == ("answer 2" if turn == "t2" else "answer 3")
    kept = past(state, "t4", keep_turn=True)
    assert (kept.log.oldest, kept.log.events[-1].type) == (state.log.oldest, "turn.finished")
    Story(kept).whole_turn("question 6", "answer 6")


@given(st.data())
def test_going_on_from_the_last_turn_is_as_if_nothing_had_been(data: st.DataObject) -> None:
    story = Story.new().loaded()
    for number in range(data.draw(st.integers(1, 5))):
        story.turn(f"question {number}")
        for _ in range(data.draw(st.integers(0, 2))):
            args: list[dict[str, JsonValue]] = [{"n": n} for n in range(data.draw(st.integers(1, 2)))]
            story.called(*args)
            assert story.state.turn is not None
            for call in story.state.turn.calls:
                story.result(call.call_id)
        story.open()
        story.answered(Text(text=data.draw(st.text(max_size=5)))).finished()
    known = story.state.log.steps[-1].view
    fork = Story(whole(story.state, PastRequest(turn_id=None, keep_turn=True)))

    steps: list[Any] = []
    for one in (story, fork):
        one.turn("and then?")
        record = one.open()
        one.answered(Text(text="the end")).finished()
        steps.append(record)

    assert steps[0] == steps[1]
    assert known in {step.view for step in fork.state.log.steps}
    assert (fork.state.log, fork.state.transcript, fork.state.turns) == (
        story.state.log,
        story.state.transcript,
        story.state.turns,
    )


def test_what_is_told_with_other_words_is_hashed_anew() -> None:
    state = talk(2).state
    blob = BlobRef(key="acme/s2/x", size=1_000)

    def other(message: Message) -> Message:
        return message.model_copy(update={"parts": (Text(text="short", blob=blob),)})

    found = retold(state, tuple(map(other, state.transcript.messages)), state.log.events)

    assert found.transcript.size > 4_000
    assert found.transcript.prefix != state.transcript.prefix
    assert [step.view.count for step in found.log.steps] == [step.view.count for step in state.log.steps]


def test_a_big_past_comes_in_pages_and_is_begun_anew_where_it_changes() -> None:
    story = Story.new().loaded()
    for number in range(40):
        # Text that does not compress.
        noise = "".join(chr(0x4E00 + (number * 7919 + n * n * 104729) % 20000) for n in range(10_000))
        story.whole_turn("tell", noise)
    state = story.state
    request = PastRequest(turn_id="t40", keep_turn=True)

    first = answers.past(state, request)
    assert first.more
    assert whole(state, request) == past(state, "t40", keep_turn=True)
    later = request.model_copy(update={"after": 10**9, "sha256": first.sha256})
    assert answers.past(state, later) == PastPage(sha256=first.sha256, start=10**9)
    other = request.model_copy(update={"after": 1000, "sha256": "0" * 64})
    assert answers.past(state, other) == first
    assert json.loads(first.model_dump_json())["start"] == 0
