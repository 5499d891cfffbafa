"""From a session's events, exactly those of one message and its turn are selected."""

from typing import Any

from perdure.gateway.http.sse import Outgoing, encode
from perdure.gateway.live.turn_filter import TurnFilter, TurnRecord


def event(kind: str, seq: int | None = None, turn_id: str | None = None, **fields: Any) -> Outgoing:
    return encode(kind, {"type": kind, "turn_id": turn_id, **fields}, seq, turn_id)


def turn(number: int, message_id: str, first: int) -> list[Outgoing]:
    turn_id, step_id = f"t{number}", f"t{number}.s1"
    answer = {"id": step_id, "role": "assistant", "turn_id": turn_id, "parts": [{"type": "text", "text": "yes"}]}
    user = {"id": message_id, "role": "user", "turn_id": turn_id, "parts": [{"type": "text", "text": "hi"}]}
    return [
        event("turn.started", first, turn_id, cause="message"),
        event("message.added", first + 1, turn_id, message=user),
        event("step.started", first + 2, turn_id, step_id=step_id, model="demo/x"),
        event("step.delta", None, turn_id, step_id=step_id),
        event("step.finished", first + 3, turn_id, step_id=step_id, message=answer),
        event("turn.finished", first + 4, turn_id, reason="done", usage={}, cost_usd=0.5),
    ]


def chosen(message_id: str, items: list[Outgoing]) -> tuple[list[str], bool]:
    wanted = TurnFilter(message_id)
    types: list[str] = []
    for item in items:
        types += [one.type for one in wanted.take(item)]
        if wanted.over:
            break
    return types, wanted.over


WHOLE = ["turn.started", "message.added", "step.started", "step.delta", "step.finished", "turn.finished"]


def test_a_message_of_an_idle_session() -> None:
    assert chosen("m1", [event("session.started", 1), *turn(1, "m1", 2), *turn(2, "m2", 7)]) == (WHOLE, True)


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
    assert chosen("m1", [event("session.closed", 5)]) == ([], True)


def test_a_snapshot_stands_for_a_turn_that_is_long_over() -> None:
    messages = [{"id": "m1", "turn_id": "t1"}]

    assert chosen("m1", [event("session.snapshot", messages=messages)]) == (["session.snapshot"], True)
    assert chosen("m9", [event("session.snapshot", messages=messages)]) == (["session.snapshot"], False)


def test_a_turn_is_put_together_from_its_events() -> None:
    record = TurnRecord()
    result = {"type": "tool_result", "call_id": "t1.s1.c1", "name": "f", "output": 1, "is_error": False}
    items = turn(1, "m1", 2)
    items.insert(5, event("tool.finished", 9, "t1", call_id="t1.s1.c1", name="f", result=result, at="now"))
    for item in items:
        record.add(item)

    assert record.turn == {"turn_id": "t1", "reason": "done", "usage": {}, "cost_usd": 0.5}
    assert [message["id"] for message in record.messages] == ["m1", "t1.s1", "t1.s1.c1"]
    assert record.messages[2]["role"] == "tool"
