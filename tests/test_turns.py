"""From a session's events, exactly those of one message and its turn are selected."""

from collections.abc import Sequence
from typing import Any

from perdure.gateway.live.items import AgentEvent, Frame, Item
from perdure.gateway.live.turn_filter import TurnFilter, asked_by, asks_below
from perdure.gateway.projections.turn_record import TurnRecord
from perdure.temporal.live.frames import StepDelta
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.core import answers
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.vocabulary.events import Event, Events
from perdure.workflows.vocabulary.parts import Message, Text
from tests.support.core import AT, Story
from tests.support.items import written


def event(kind: str, seq: int, turn_id: str | None = None, **fields: Any) -> Event:
    return Events.validate_python({"type": kind, "seq": seq, "at": AT, "turn_id": turn_id, **fields})


def said(message_id: str, role: Any, turn_id: str, text: str) -> Message:
    return Message(id=message_id, role=role, turn_id=turn_id, at=AT, parts=(Text(text=text),))


def turn(number: int, message_id: str, first: int) -> list[Event | Frame]:
    turn_id, step_id = f"t{number}", f"t{number}.s1"
    finished = {
        "message": said(step_id, "assistant", turn_id, "yes"),
        "model": "demo/x",
        "usage": {},
        "cost_usd": 0.5,
        "timing": {"first_token_ms": 1, "total_ms": 2},
        "stop": "end",
        "attempt": 1,
        "request_sha256": None,
    }
    return [
        event("turn.started", first, turn_id, cause="message"),
        event("message.added", first + 1, turn_id, message=said(message_id, "user", turn_id, "hi")),
        event("step.started", first + 2, turn_id, step_id=step_id, model="demo/x"),
        StepDelta(step_id, 1, 0, 0, "text", "yes"),
        event("step.finished", first + 3, turn_id, step_id=step_id, **finished),
        event("turn.finished", first + 4, turn_id, reason="done", usage={}, cost_usd=0.5),
    ]


def chosen(message_id: str, values: Sequence[Event | Frame]) -> tuple[list[str], bool]:
    wanted = TurnFilter(message_id)
    types: list[str] = []
    for value in values:
        types += [written(one)[0] for one in wanted.take(Item(value))]
        if wanted.over:
            break
    return types, wanted.over


WHOLE = ["turn.started", "message.added", "step.started", "step.delta", "step.finished", "turn.finished"]


def test_a_message_of_an_idle_session() -> None:
    assert chosen(
        "m1", [event("session.started", 1, agent="a", digest="d", inputs={}), *turn(1, "m1", 2), *turn(2, "m2", 7)]
    ) == (WHOLE, True)


def test_a_queued_message_is_told_of_its_place_and_then_of_its_turn_only() -> None:
    running = turn(1, "m1", 2)
    queued = event("message.queued", 5, None, message_id="m2", position=1)
    other = event("message.queued", 6, None, message_id="m3", position=2)
    items = [*running[:4], queued, other, *running[4:], *turn(2, "m2", 9), *turn(3, "m3", 14)]

    assert chosen("m2", items) == (["message.queued", *WHOLE], True)


def test_a_rejected_message_ends_its_stream() -> None:
    items = [
        event("message.rejected", 5, None, message_id="other", reason="session_closed"),
        event("message.rejected", 6, None, message_id="m1", reason="session_closed"),
    ]

    assert chosen("m1", items) == (["message.rejected"], True)


def test_a_closed_session_ends_the_stream() -> None:
    assert chosen("m1", [event("session.closed", 5, reason="closed")]) == ([], True)


def snapshot(story: Story) -> Snapshot:
    page = answers.snapshot(story.state, "acme/s1", PageRequest())
    return Snapshot(page, page.messages)


def test_a_snapshot_stands_for_a_turn_that_is_long_over() -> None:
    over = snapshot(Story.new().loaded().turn("hi", id="m1").finished())

    assert chosen("m1", [over]) == (["session.snapshot"], True)
    assert chosen("m9", [over]) == (["session.snapshot"], False)


def test_a_turn_that_runs_goes_on_behind_a_snapshot() -> None:
    runs = snapshot(Story.new().loaded().turn("hi", id="m1"))

    assert chosen("m1", [runs, *turn(1, "m1", 3)[2:]]) == (["session.snapshot", *WHOLE[2:]], True)
    record = TurnRecord()
    record.add(runs)
    assert [message["id"] for message in record.messages] == ["m1"]


def test_a_turn_is_put_together_from_its_events() -> None:
    record = TurnRecord()
    result = {"type": "tool_result", "call_id": "t1.s1.c1", "name": "f", "output": 1, "is_error": False}
    values = turn(1, "m1", 2)
    tool = event("tool.finished", 9, "t1", call_id="t1.s1.c1", name="f", result=result, duration_ms=1)
    values.insert(5, tool)
    for value in values:
        record.add(value)

    usage = {"input_tokens": 0, "cached_tokens": 0, "cache_write_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0}
    assert record.turn == {"turn_id": "t1", "reason": "done", "usage": usage, "cost_usd": 0.5}
    assert [message["id"] for message in record.messages] == ["m1", "t1.s1", "t1.s1.c1"]
    assert record.messages[2] == {
        "id": "t1.s1.c1",
        "role": "tool",
        "parts": [result],
        "turn_id": "t1",
        "at": "2026-03-01T12:00:00Z",
    }


def test_what_people_are_asked_is_seen_at_any_depth() -> None:
    asked = event("approval.requested", 4, "t1", question_id="q1", call_id="t1.s1.c1", name="f", args={})
    below = AgentEvent("t1.s1.c1", "s1~t1.s1.c1", asked)
    further = AgentEvent("t1.s1.c1", "s1~t1.s1.c1", below)

    assert asked_by(asked) == {"q1"}
    assert [asked_by(below), asks_below(asked), asks_below(below), asks_below(further)] == [set(), False, True, True]
    # Text that looks like it is no question.
    lookalike = AgentEvent("t1.s1.c1", "s", StepDelta("t1.s1", 1, 0, 0, "text", '"approval.requested"'))
    assert not asks_below(lookalike)
