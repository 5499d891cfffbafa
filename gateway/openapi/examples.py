"""An example of each item of an event stream, from one short session with the shipped `support` agent.

Tests hold each of them against its schema.
"""

from typing import Any, Final

_USAGE: Final = {
    "input_tokens": 812,
    "cached_tokens": 640,
    "cache_write_tokens": 0,
    "output_tokens": 58,
    "reasoning_tokens": 0,
}
_AT: Final = "2026-03-12T09:30:00Z"
_REFUND: Final = {"order_id": "A-1001", "amount": 150}
_OLD: Final = "3f1c" * 16
_NEW: Final = "a07b" * 16


def _event(seq: int, kind: str, turn_id: str | None = "t1", **fields: Any) -> dict[str, Any]:
    return {"seq": seq, "type": kind, "at": _AT, "turn_id": turn_id, **fields}


def _message(id_: str, role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": id_, "role": role, "parts": [*parts], "turn_id": "t1", "at": _AT}


_CALL: Final = {"type": "tool_call", "call_id": "t1.s1.c1", "name": "issue_refund", "args": _REFUND}

EVENTS: Final[dict[str, dict[str, Any]]] = {
    "session.started": _event(
        1, "session.started", None, agent="support", digest=_OLD, inputs={"customer_name": "Ada"}
    ),
    "session.closed": _event(40, "session.closed", None, reason="closed"),
    "message.added": _event(
        3, "message.added", message=_message("m1", "user", {"type": "text", "text": "My lamp came broken."})
    ),
    "message.queued": _event(9, "message.queued", None, message_id="m2", position=1),
    "message.rejected": _event(38, "message.rejected", None, message_id="m9", reason="session_closed"),
    "turn.started": _event(2, "turn.started", cause="message"),
    "turn.finished": _event(14, "turn.finished", reason="done", usage=_USAGE, cost_usd=0.0041),
    "step.started": _event(4, "step.started", step_id="t1.s1", model="anthropic/claude-sonnet-5-5"),
    "step.finished": _event(
        5,
        "step.finished",
        step_id="t1.s1",
        message=_message("t1.s1", "assistant", {"type": "text", "text": "Let me see to that."}, _CALL),
        model="anthropic/claude-sonnet-5-5",
        usage=_USAGE,
        cost_usd=0.0041,
        timing={"first_token_ms": 412.5, "total_ms": 1310.0},
        stop="tool_calls",
        attempt=1,
        request_sha256="91d2" * 16,
    ),
    "tool.started": _event(8, "tool.started", call_id="t1.s1.c1", name="issue_refund", args=_REFUND),
    "tool.finished": _event(
        10,
        "tool.finished",
        call_id="t1.s1.c1",
        name="issue_refund",
        result={
            "type": "tool_result",
            "call_id": "t1.s1.c1",
            "name": "issue_refund",
            "output": {"refund_id": "R-1"},
            "is_error": False,
        },
        attempts=1,
        duration_ms=84.0,
    ),
    "approval.requested": _event(
        6,
        "approval.requested",
        question_id="t1.s1.c1.approval",
        call_id="t1.s1.c1",
        name="issue_refund",
        args=_REFUND,
        expires_at="2026-03-19T09:30:00Z",
    ),
    "approval.resolved": _event(
        7,
        "approval.resolved",
        question_id="t1.s1.c1.approval",
        call_id="t1.s1.c1",
        approved=True,
        by={"subject": "local", "scopes": []},
    ),
    "input.requested": _event(
        20,
        "input.requested",
        "t2",
        question_id="t2.s1.c1.input",
        subject="call",
        form="fields",
        call_id="t2.s1.c1",
        name="ask_user",
        args={"prompt": "Which size?"},
        prompt="Which size?",
    ),
    "input.received": _event(
        21,
        "input.received",
        "t2",
        question_id="t2.s1.c1.input",
        value={"size": "L"},
        by={"subject": "local", "scopes": []},
    ),
    "budget.paused": _event(
        22,
        "budget.paused",
        "t2",
        question_id="t2.s2.budget",
        scope="turn",
        limit="cost_usd",
        cap=0.5,
        spent=0.48,
        needs=0.03,
        spent_usd=0.48,
        needs_usd=0.03,
        prompt="The next model call may cost up to $0.0300; with $0.4800 spent, that would exceed the turn's cap of $0.50. "
        "Allow it for this turn, raise the cap, or decline to end the turn.",
    ),
    "budget.raised": _event(
        23,
        "budget.raised",
        "t2",
        question_id="t2.s2.budget",
        scope="turn",
        limit="cost_usd",
        value=0.51,
        this_turn=True,
        by={"subject": "local", "scopes": []},
    ),
    "timer.set": _event(
        24, "timer.set", "t2", timer_id="t2.s2.c1.timer", note="Ask whether the new lamp has come", set_at=_AT
    )
    | {"at": "2026-03-16T09:00:00Z"},
    "todo.updated": _event(
        26,
        "todo.updated",
        "t2",
        items=[
            {"id": "1", "text": "Look at the order", "status": "done"},
            {"id": "2", "text": "Refund the lamp", "status": "doing"},
            {"id": "3", "text": "Write to the customer", "status": "pending"},
        ],
    ),
    "feedback.given": _event(
        39, "feedback.given", score=-1, text="It asked twice for the order.", by={"subject": "local", "scopes": []}
    ),
    "timer.fired": _event(27, "timer.fired", None, timer_id="t2.s2.c1.timer"),
    "transcript.rewound": _event(
        28,
        "transcript.rewound",
        None,
        message_id="m2",
        branch="b2",
        left="b1",
        kept=4,
        cause="rewind",
        undone=[
            {"call_id": "t2.s1.c2", "name": "issue_refund", "by": "cancel_refund", "undo_call_id": "t2.s1.c2.undo"}
        ],
        stands=[
            {
                "call_id": "t2.s1.c3",
                "name": "send_mail",
                "args": {"to": "ada@example.com"},
                "why": "It cannot be taken back.",
            }
        ],
        stands_more={"add_note": 3},
    ),
    "agent.updated": _event(30, "agent.updated", None, old=_OLD, new=_NEW),
    "model.switched": _event(
        31, "model.switched", "t3", step_id="t3.s1", to="anthropic/claude-haiku-5-5", reason="configured"
    )
    | {"from": "anthropic/claude-sonnet-5-5"},
    "context.compacted": _event(
        412,
        "context.compacted",
        "t61",
        from_seq=1,
        to_seq=340,
        tokens_before=161_200,
        tokens_after=52_700,
        how="summarized",
        messages=118,
        pinned=[0],
        step_id="k1",
        model="anthropic/claude-haiku-5-5",
        summary="Ada plans a trip to Lisbon in May with her brother. Flights are booked; the hotel is still open.",
        facts=["The booking code is X4T-99.", "Ada's brother is allergic to nuts."],
        usage=_USAGE,
        cost_usd=0.0041,
        timing={"first_token_ms": 310.2, "total_ms": 2140.7},
        attempt=1,
        request_sha256="c4d5" * 16,
    ),
}

FRAMES: Final[dict[str, dict[str, Any]]] = {
    "step.delta": {"step_id": "t1.s1", "attempt": 1, "n": 2, "part": 0, "kind": "text", "delta": " see to"},
    "step.snapshot": {
        "step_id": "t1.s1",
        "attempt": 1,
        "n": 3,
        "parts": [{"type": "text", "text": "Let me see to"}],
    },
    "step.retrying": {
        "step_id": "t1.s1",
        "failures": 2,
        "error": {"type": "model_overloaded", "message": "The provider is overloaded (529).", "retryable": True},
        "retry_at": "2026-02-27T11:00:04Z",
    },
    "tool.progress": {"call_id": "t1.s1.c1", "message": "page 3 of 4", "fraction": 0.75},
    "workers.state": {"missing": ["sessions"]},
    "agent.event": {
        "call_id": "t4.s1.c1",
        "session_id": "first~t4.s1.c1",
        "event": {
            "type": "step.delta",
            "step_id": "t1.s1",
            "attempt": 1,
            "n": 0,
            "part": 0,
            "kind": "text",
            "delta": "I",
        },
    },
}
