import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue, ValidationError

from perdure.workflows.core.agent_changes import AgentFailed, ToolsChanged
from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.changes import (
    Accepted,
    CloseRequested,
    CommandSeen,
    Configured,
    Note,
    StepOpened,
    StopRequested,
    TurnBroken,
)
from perdure.workflows.core.fold import apply
from perdure.workflows.core.runs import SessionInput, taken_over
from perdure.workflows.core.state import agent_slot, inbox, log
from perdure.workflows.core.state.books import Books
from perdure.workflows.core.state.inbox import Seen
from perdure.workflows.core.state.session import SessionState, dump_state, read_state
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.definition.agent import Limits, TurnLimits
from perdure.workflows.vocabulary.events import Events
from perdure.workflows.vocabulary.parts import BlobRef, Message, Reasoning, Text, ToolResult, Usage
from tests.support.core import AT, Story, agent, call, failed, user

pytestmark = pytest.mark.pure

USAGE = Usage(input_tokens=10, output_tokens=5)
#: The first turn's start in a story.
STARTED = AT + timedelta(seconds=1)


def rich() -> SessionState:
    """A session with a value in every field."""
    story = Story.new(inputs={"name": "Ann", "n": 1.5}, user="u1", metadata={"a": [1, None]}).loaded()
    story.whole_turn()
    story.note(Configured(model="other", metadata={"b": True}, digest="d2", limits=Limits(turn=TurnLimits(steps=3))))
    story.loaded(agent("d2")).note(CommandSeen(id="x1"), ToolsChanged(), CloseRequested(reason="enough"))
    story.event("agent.updated", old="d1", new="d2")
    story.turn("again")
    story.event("model.switched", step_id="t2.s1", **{"from": "demo/main", "to": "demo/other", "reason": "configured"})
    story.called({"a": 1, "b": float("1e300")}, {"a": "é\u2028🙂"}).result("t2.s1.c1", {"deep": [{"x": None}]})
    story.accepted("waits", "m3")
    story.event("message.queued", message_id="m3", position=1, turn_id=None)
    story.note(StopRequested(), TurnBroken(error=failed()))
    return story.state


def test_a_rich_state_survives_json() -> None:
    state = rich()
    again = read_state(dump_state(state))
    assert again == state
    assert dump_state(again) == dump_state(state)


def test_a_state_of_an_older_version_is_read_and_one_of_nobody_is_not() -> None:
    state = rich()
    older = json.loads(dump_state(state))
    older["transcript"]["media"] = [{"kind": "image", "size": 7, "width": 3, "height": 2, "pages": None}]
    assert read_state(json.dumps(older)) == state
    assert taken_over(SessionInput.model_validate_json(json.dumps({"carried": older}))) == state
    older["transcript"]["sounds"] = []
    with pytest.raises(ValidationError, match="sounds"):
        read_state(json.dumps(older))


def test_what_json_has_no_number_for_is_written_as_text() -> None:
    state = Story.new(inputs={"n": float("inf")}).state
    assert b'{"n":"Infinity"}' in dump_state(state)


def test_a_new_session() -> None:
    state = Story.new(metadata={"k": 1}).state
    assert (state.status, state.log.seq, state.log.oldest, state.metadata, state.slot.digest) == (
        "idle",
        1,
        1,
        {"k": 1},
        "d1",
    )
    assert [event.type for event in state.log.events] == ["session.started"]


def test_a_message_waits_until_its_turn_adds_it() -> None:
    story = Story.new().accepted("hi", "m1")
    assert (story.state.inbox.messages, story.state.status, story.state.transcript.messages) == (
        (user("hi"),),
        "working",
        (),
    )
    assert story.state.inbox.seen == {"m1": Seen(content_sha256="hi", cursor=1)}
    story.event("turn.started", turn_id="t1", cause="message")
    story.event("message.added", message=user("hi"))
    assert (story.state.inbox.messages, story.state.transcript.messages) == ((), (user("hi"),))
    assert story.state.turn == Turn(turn_id="t1", number=1, started_at=STARTED, sound=1)


def test_only_a_closed_session_drops_a_waiting_message() -> None:
    story = Story.new().accepted("hi", "m1")
    story.event("message.rejected", message_id="m1", reason="conflict")
    assert story.state.inbox.messages == (user("hi"),)
    story.event("message.rejected", message_id="m1", reason="session_closed")
    assert len(story.state.inbox.messages) == 0


def test_a_step() -> None:
    story = Story.new().loaded().turn()
    record = story.open()
    assert story.state.turn == Turn(turn_id="t1", number=1, started_at=STARTED, steps=1, step=record, sound=1)
    assert (story.state.slot.last_model, story.state.log.steps) == ("demo/main", (record,))
    assert (record.view.count, record.view.prefix) == (1, story.state.transcript.prefix)
    story.answered(Reasoning(text="hm"), Text(text="hello"))
    assert story.state.turn == Turn(
        turn_id="t1",
        number=1,
        started_at=STARTED,
        steps=1,
        books=Books(usage=USAGE, known_usd=0.25),
        stop="end",
        sound=2,
    )
    assert story.state.books == Books(usage=USAGE, known_usd=0.25)
    story.finished()
    # Read through a function: mypy knows the turn that was, and not that it has ended.
    assert in_no_turn(story.state)
    assert story.state.status == "idle"


def in_no_turn(state: SessionState) -> bool:
    return state.turn is None


def test_tool_calls_and_their_results() -> None:
    story = Story.new().loaded().turn().called({"a": 1}, {"a": 2})
    turn = story.state.turn
    assert turn is not None
    assert turn.calls == (Call(call("t1.s1.c1", a=1)), Call(call("t1.s1.c2", a=2)))
    story.result("t1.s1.c2", 7)
    turn = story.state.turn
    assert turn is not None
    assert turn.calls == (Call(call("t1.s1.c1", a=1)),)
    message = story.state.transcript.messages[-1]
    assert (message.id, message.role, message.turn_id) == ("t1.s1.c2", "tool", "t1")
    assert message.parts == (ToolResult(call_id="t1.s1.c2", name="add", output=7),)


def test_tool_calls_that_are_none_end_the_turn() -> None:
    story = Story.new().loaded().turn()
    story.open()
    story.answered(Text(text="I will look it up."), stop="tool_calls")
    assert story.state.turn is not None
    assert story.state.turn.stop == "end"


def test_an_answer_without_parts_is_no_message() -> None:
    story = Story.new().loaded().turn()
    before = story.state.transcript.messages, story.state.transcript.prefix, story.state.transcript.size
    story.open()
    story.answered(stop="error")
    assert (story.state.transcript.messages, story.state.transcript.prefix, story.state.transcript.size) == before


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    story = Story.new().loaded().turn()
    for cost in (0.25, None, 0.5):
        story.open()
        story.answered(Text(text="x"), cost=cost, stop="pause")
    assert story.state.turn is not None
    assert (story.state.turn.books.cost_usd, story.state.books.known_usd, story.state.books.cost_usd) == (
        None,
        0.75,
        None,
    )


def test_the_prefix_is_a_chain_over_messages() -> None:
    story = Story.new().loaded()
    prefix = ""
    for number in range(3):
        story.whole_turn(f"question {number}", f"answer {number}")
    for message in story.state.transcript.messages:
        prefix = hashlib.sha256(prefix.encode() + message.model_dump_json().encode()).hexdigest()[:32]
    assert story.state.transcript.prefix == prefix


def test_folded_parts_count_in_full() -> None:
    story = Story.new()
    story.event("turn.started", turn_id="t1", cause="message")
    message = Message(id="m1", role="user", parts=(Text(text="é", blob=BlobRef(key="k", size=50_000)),), at=AT)
    story.event("message.added", message=message)
    assert story.state.transcript.size == len(message.model_dump_json().encode()) + 50_000


def test_definitions_are_kept_by_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_slot, "KEPT_AGENTS", 2)
    story = Story.new()
    epochs = []
    for digest in ("d1", "d2", "d1", "d3"):
        story.loaded(agent(digest))
        epochs.append(story.state.transcript.epoch)
    assert (epochs, list(story.state.slot.kept)) == ([0, 1, 2, 3], ["d1", "d3"])
    assert story.state.slot.loaded == agent("d3")


def test_a_definition_that_cannot_be_loaded_leaves_the_old_one() -> None:
    story = Story.new().loaded().accepted(digest="d2")
    assert story.state.slot.digest == "d2"
    story.note(AgentFailed(error=failed()))
    assert (story.state.slot.digest, story.state.slot.error) == ("d1", None)


def test_within_a_turn_a_newer_definition_still_waits() -> None:
    story = Story.new().loaded().turn().accepted("next", "m2", digest="d2")
    story.note(ToolsChanged(), AgentFailed(error=failed()))
    assert (story.state.slot.digest, story.state.slot.stale) == ("d2", False)


def test_every_message_tries_again_to_load() -> None:
    story = Story.new().accepted().note(AgentFailed(error=failed()))
    assert story.state.slot.error == failed()
    assert story.accepted("again", "m2").state.slot.error is None


def test_a_pinned_session_keeps_its_definition() -> None:
    story = Story.new().note(Configured(digest="d7")).accepted(digest="d8")
    assert (story.state.slot.digest, story.state.slot.pinned) == ("d7", True)


def test_configure_changes_what_it_names() -> None:
    before = Story.new(metadata={"a": 1}).loaded()
    assert before.note(Configured()).state == before.state
    limits = Limits(turn=TurnLimits(steps=2))
    state = before.note(Configured(model="other", metadata={}, limits=limits)).state
    assert (state.slot.model_role, state.metadata, state.effective_limits) == ("other", {}, limits)
    assert before.note(Configured(model="none such")).state.slot.model_role == "main"


def test_stop_and_close() -> None:
    idle = Story.new()
    assert idle.note(StopRequested()).state == idle.state
    story = Story.new().loaded().turn().note(StopRequested())
    assert story.state.turn is not None
    assert (story.state.turn.stopping, story.state.closing) == (True, None)
    story = Story.new().loaded().turn().note(CloseRequested(reason="one"), CloseRequested(reason="two"))
    assert story.state.turn is not None
    assert (story.state.turn.stopping, story.state.closing, story.state.closed) == (True, "one", False)


def test_what_is_remembered_is_bounded_and_the_oldest_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "WHOLE", 2)
    monkeypatch.setattr(inbox, "PACKED", 2)
    monkeypatch.setattr(inbox, "KEPT_COMMAND_IDS", 6)
    monkeypatch.setattr(inbox, "KEPT_MESSAGE_IDS", 6)
    story = Story.new()
    for number in range(10):
        story.note(CommandSeen(id=f"c{number}")).accepted("hi", f"m{number}")
    kept = story.state.inbox
    assert (kept.command_ids, list(kept.seen)) == (("c8", "c9"), ["m8", "m9"])
    assert [number for number in range(10) if kept.has_command(f"c{number}")] == list(range(4, 10))
    known = [kept.taken_in(f"m{number}") for number in range(10)]
    assert known[:4] == [None] * 4
    assert [seen is not None and seen.cursor for seen in known[4:]] == [1] * 6
    assert [seen is not None and seen.is_of("hi") for seen in known[4:]] == [True] * 6
    assert [seen is not None and seen.is_of("ho") for seen in known[4:]] == [False] * 6


def test_old_turns_are_pruned_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "KEPT_TURNS", 3)
    story = Story.new().loaded()
    for _ in range(10):
        story.whole_turn()
    state = story.state
    kept = [event.turn_id for event in state.log.events]
    assert kept == [turn for turn in ("t8", "t9", "t10") for _ in range(5)]
    assert [event.seq for event in state.log.events] == list(range(state.log.oldest, state.log.seq + 1))
    assert [step.step_id for step in state.log.steps] == ["t8.s1", "t9.s1", "t10.s1"]
    assert len(state.transcript.messages) == 20


def test_many_events_are_pruned_but_never_the_last_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "KEPT_EVENTS", 8)
    story = Story.new().loaded().whole_turn().whole_turn()
    assert [event.turn_id for event in story.state.log.events] == ["t2"] * 5
    args: list[dict[str, JsonValue]] = [{"n": n} for n in range(10)]
    story.turn().called(*args)
    for number in range(1, 11):
        story.result(f"t3.s1.c{number}")
    story.finished()
    assert {event.turn_id for event in story.state.log.events} == {"t3"}
    assert story.state.log.turn_starts == (story.state.log.oldest,)


def _event(kind: str, seq: int, **fields: Any) -> Any:
    return Events.validate_python({"type": kind, "seq": seq, "at": AT, "turn_id": "t1", **fields})


STEP = {"step_id": "t1.s1", "model": "demo/main"}
FINISHED_STEP = {
    **STEP,
    "message": user("x"),
    "usage": Usage(),
    "cost_usd": 0,
    "timing": {"total_ms": 1},
    "stop": "end",
    "attempt": 1,
    "request_sha256": None,
}
FINISHED_TURN = {"reason": "done", "usage": Usage(), "cost_usd": 0}
RESULT = ToolResult(call_id="t1.s1.c1", name="add", output=1)
FINISHED_TOOL = {"call_id": "t1.s1.c1", "name": "add", "result": RESULT, "duration_ms": 1}

IDLE = Story.new().loaded().state
IN_TURN = Story.new().loaded().turn().state
_open = Story.new().loaded().turn()
RECORD = _open.open()
IN_STEP = _open.state
IN_TOOLS = Story.new().loaded().turn().called({"a": 1}).state
_closed = Story.new()
_closed.event("session.closed", reason="bye")
CLOSED = _closed.state


@pytest.mark.parametrize(
    ("state", "change"),
    [
        (IDLE, _event("message.queued", 1, message_id="m1", position=1)),
        (IDLE, _event("message.queued", 3, message_id="m1", position=1)),
        (IDLE, _event("step.started", 2, **STEP)),
        (IDLE, _event("step.finished", 2, **FINISHED_STEP)),
        (IDLE, _event("tool.finished", 2, **FINISHED_TOOL)),
        (IDLE, _event("turn.finished", 2, **FINISHED_TURN)),
        (IDLE, StepOpened(record=RECORD)),
        (IDLE, TurnBroken(error=failed())),
        (IN_TURN, _event("turn.started", 4, cause="message")),
        (IN_TURN, _event("step.started", 4, **STEP)),
        (IN_TURN, _event("step.finished", 4, **FINISHED_STEP)),
        (IN_STEP, StepOpened(record=RECORD)),
        (IN_STEP, _event("step.finished", 5, **{**FINISHED_STEP, "step_id": "t1.s2"})),
        (IN_STEP, _event("turn.finished", 5, **FINISHED_TURN)),
        (IN_TOOLS, _event("tool.finished", 6, **{**FINISHED_TOOL, "call_id": "t1.s1.c2"})),
        (IN_TOOLS, _event("turn.finished", 6, **FINISHED_TURN)),
        (CLOSED, _event("message.rejected", 3, message_id="m1", reason="session_closed")),
    ],
)
def test_what_cannot_happen_is_refused(state: SessionState, change: Any) -> None:
    before = dump_state(state)
    with pytest.raises(ValueError, match=r"cannot follow|does not fit|no event comes after"):
        apply(state, change)
    assert dump_state(state) == before


@pytest.mark.parametrize(
    "note", [Accepted(message=user("x"), content_sha256="x", cursor=0, digest="d2"), ToolsChanged()]
)
def test_a_change_leaves_the_state_before_it_alone(note: Note) -> None:
    before = dump_state(IDLE)
    assert apply(IDLE, note) != IDLE
    assert dump_state(IDLE) == before
