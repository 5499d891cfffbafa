"""A session's events and frames as AG-UI's: golden transcripts, each held against the rules of AG-UI's verifier."""

from collections.abc import Iterable
from typing import Any

import pytest

from perdure.gateway.live.items import AgentEvent, Frame
from perdure.gateway.projections.ag_ui import Run
from perdure.gateway.projections.ag_ui_messages import MOST_BYTES
from perdure.gateway.projections.ag_ui_run_of import RunOf
from perdure.gateway.projections.ag_ui_state import State
from perdure.temporal.live.frames import LivePart, StepDelta, StepProgress, ToolProgress
from perdure.temporal.sessions.snapshot import Snapshot, SubQuestion
from perdure.workflows.core import answers
from perdure.workflows.protocol.queries import EndedTurn, PageRequest
from perdure.workflows.vocabulary.events import Event, Events
from perdure.workflows.vocabulary.parts import Data, File, Message, Part, Reasoning, Text, ToolCall
from perdure.workflows.vocabulary.question_events import ApprovalRequested
from perdure.workflows.vocabulary.questions import Question
from tests.support.ag_ui import Client, verify
from tests.support.core import AT, Story

HI = {"id": "m1", "role": "user", "content": "hi"}


def event(kind: str, seq: int, turn_id: str | None = "t1", **fields: Any) -> Event:
    return Events.validate_python({"type": kind, "seq": seq, "at": AT, "turn_id": turn_id, **fields})


def user(message_id: str, *parts: Part, turn_id: str = "t1", **fields: Any) -> Message:
    return Message(id=message_id, role="user", turn_id=turn_id, at=AT, parts=parts or (Text(text="hi"),), **fields)


def begun(seq: int = 1) -> list[Event]:
    return [event("turn.started", seq, cause="message"), event("message.added", seq + 1, message=user("m1"))]


def started(seq: int, step: str = "t1.s1", **fields: Any) -> Event:
    return event("step.started", seq, step_id=step, model="demo/x", **fields)


def answered(seq: int, *parts: Part, step: str = "t1.s1", **fields: Any) -> Event:
    told: dict[str, Any] = {
        "message": Message(id=step, role="assistant", turn_id="t1", at=AT, parts=parts),
        "model": "demo/x",
        "usage": {"input_tokens": 10, "output_tokens": 2},
        "cost_usd": 0.25,
        "timing": {"first_token_ms": 1, "total_ms": 2},
        "stop": "end",
        "attempt": 1,
        "request_sha256": None,
    }
    return event("step.finished", seq, step_id=step, **(told | fields))


def finished(seq: int, reason: str = "done", **fields: Any) -> Event:
    return event("turn.finished", seq, reason=reason, usage={}, cost_usd=0.5, **fields)


def result(seq: int, output: Any, call_id: str = "t1.s1.c1", *, is_error: bool = False, **fields: Any) -> Event:
    told = {"type": "tool_result", "call_id": call_id, "name": "add", "output": output, "is_error": is_error}
    return event("tool.finished", seq, call_id=call_id, name="add", result=told, duration_ms=1, **fields)


def delta(n: int, part: int, kind: Any, text: str, name: str | None = None, attempt: int = 1) -> StepDelta:
    return StepDelta("t1.s1", attempt, n, part, kind, text, name)


CALL = ToolCall(call_id="t1.s1.c1", name="add", args={"a": 1})
ASKED: dict[str, Any] = {"question_id": "t1.s1.c1.approval", "call_id": "t1.s1.c1", "name": "add", "args": {"a": 1}}


def run(values: Iterable[Event | Frame], **of: Any) -> tuple[list[dict[str, Any]], Client]:
    """What a client that has sent `hi` is told, and what it has then."""
    wanted = RunOf("s1", "r1", message_id="m1", **of)
    made = Run(wanted, State("s1", "plain"), [HI])
    told = [*made.begin(), *made.show_state()]
    for value in values:
        told += made.take(value)
    verify(told, is_whole=made.over)
    return told, Client([dict(HI)]).apply(told)


def types(told: list[dict[str, Any]]) -> list[str]:
    return [one["type"] for one in told]


def test_an_answer_as_it_streams() -> None:
    told, client = run(
        [
            event("session.started", 1, None, agent="plain", digest="d", inputs={}),
            *begun(2),
            started(4),
            delta(0, 0, "reasoning", "so"),
            delta(1, 1, "text", "Hel"),
            delta(2, 1, "text", "lo"),
            answered(5, Reasoning(text="so"), Text(text="Hello")),
            finished(6),
        ]
    )
    state = {"session_id": "s1", "agent": "plain", "status": "working", "todo": [], "cost_usd": 0.0}
    usage = {
        "provider": "demo",
        "model": "x",
        "inputTokens": 10,
        "outputTokens": 2,
        "totalTokens": 12,
        "reasoningTokens": 0,
        "cachedInputTokens": 0,
        "cacheWriteInputTokens": 0,
    }
    assert told == [
        {"type": "RUN_STARTED", "threadId": "s1", "runId": "r1", "protocolVersion": "1.0"},
        {"type": "STATE_SNAPSHOT", "snapshot": state},
        {"type": "STEP_STARTED", "stepName": "t1.s1", "metadata": {"model": "demo/x"}},
        {"type": "REASONING_START", "messageId": "t1.s1.r1"},
        {"type": "REASONING_MESSAGE_START", "messageId": "t1.s1.r1", "role": "reasoning"},
        {"type": "REASONING_MESSAGE_CONTENT", "messageId": "t1.s1.r1", "delta": "so"},
        {"type": "REASONING_MESSAGE_END", "messageId": "t1.s1.r1"},
        {"type": "REASONING_END", "messageId": "t1.s1.r1"},
        {"type": "TEXT_MESSAGE_START", "messageId": "t1.s1", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "t1.s1", "delta": "Hel"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "t1.s1", "delta": "lo"},
        {"type": "TEXT_MESSAGE_END", "messageId": "t1.s1"},
        {"type": "STEP_FINISHED", "stepName": "t1.s1"},
        {"type": "STATE_SNAPSHOT", "snapshot": {**state, "cost_usd": 0.25}},
        {"type": "STATE_SNAPSHOT", "snapshot": {**state, "cost_usd": 0.25, "status": "idle"}},
        {
            "type": "RUN_FINISHED",
            "threadId": "s1",
            "runId": "r1",
            "outcome": {"type": "success"},
            "result": {"reason": "done", "turn_id": "t1", "cost_usd": 0.5},
            "usage": [usage],
        },
    ]
    assert client.messages == [
        HI,
        {"id": "t1.s1.r1", "role": "reasoning", "content": "so"},
        {"id": "t1.s1", "role": "assistant", "content": "Hello"},
    ]


def test_a_call_and_its_result() -> None:
    told, client = run(
        [
            *begun(),
            started(3),
            delta(0, 0, "tool_input", '{"a"', "add"),
            delta(1, 0, "tool_input", ": 1}"),
            answered(4, CALL),
            event("tool.started", 5, call_id="t1.s1.c1", name="add", args={"a": 1}),
            ToolProgress("t1.s1.c1", "half", 0.5),
            result(6, {"sum": 1}),
            started(7, "t1.s2"),
            answered(8, Text(text="1"), step="t1.s2"),
            finished(9),
        ]
    )
    call = {"toolCallId": "t1.s1.c1"}
    assert [one for one in told if "TOOL" in one["type"] or one["type"] == "CUSTOM"] == [
        {"type": "TOOL_CALL_START", **call, "toolCallName": "add", "parentMessageId": "t1.s1"},
        {"type": "TOOL_CALL_ARGS", **call, "delta": '{"a"'},
        {"type": "TOOL_CALL_ARGS", **call, "delta": ": 1}"},
        {"type": "TOOL_CALL_END", **call},
        {
            "type": "CUSTOM",
            "name": "tool.progress",
            "value": {"call_id": "t1.s1.c1", "message": "half", "fraction": 0.5},
        },
        {"type": "TOOL_CALL_RESULT", "messageId": "t1.s1.c1", **call, "content": '{"sum":1}', "role": "tool"},
    ]
    assert [message["role"] for message in client.messages] == ["user", "assistant", "tool", "assistant"]


def test_a_failed_call_is_marked() -> None:
    error = {"type": "no_stock", "message": "None left", "retryable": False}
    told, client = run([*begun(), started(3), answered(4, CALL), result(5, error, is_error=True)])
    assert told[-1]["metadata"] == {"isError": True}
    assert client.messages[-1]["content"] == '{"type":"no_stock","message":"None left","retryable":false}'


def test_a_second_attempt_takes_the_first_one_back() -> None:
    told, client = run(
        [
            *begun(),
            started(3),
            delta(0, 0, "reasoning", "hmm"),
            delta(1, 1, "text", "Wrong wo"),
            StepProgress("t1.s1", 2),
            delta(0, 0, "text", "Right", attempt=2),
            answered(4, Text(text="Right")),
            finished(5),
        ]
    )
    assert types(told).count("MESSAGES_SNAPSHOT") == 1
    # Clients keep reasoning where a snapshot has none.
    assert client.messages == [
        HI,
        {"id": "t1.s1.r1", "role": "reasoning", "content": ""},
        {"id": "t1.s1", "role": "assistant", "content": "Right"},
    ]


def test_an_attempt_that_says_the_same_goes_on() -> None:
    values: list[Event | Frame] = [
        delta(0, 0, "text", "Hello "),
        StepProgress("t1.s1", 2, 3, [LivePart("text", "Hello w")]),
    ]
    told, client = run([*begun(), started(3), *values, answered(4, Text(text="Hello world")), finished(5)])
    assert "MESSAGES_SNAPSHOT" not in types(told)
    assert client.messages[-1]["content"] == "Hello world"


def test_a_gap_is_filled_by_the_whole_answer() -> None:
    told, client = run(
        [*begun(), started(3), delta(0, 0, "text", "a"), delta(2, 0, "text", "c"), answered(4, Text(text="abc"))]
    )
    assert [one["delta"] for one in told if "delta" in one] == ["a", "bc"]
    assert client.messages[-1]["content"] == "abc"


def test_an_approval_interrupts_once_nothing_else_runs() -> None:
    other = ToolCall(call_id="t1.s1.c2", name="add", args={})
    opening = [*begun(), started(3), answered(4, CALL, other)]
    asks = event("approval.requested", 5, **ASKED, expires_at="2026-03-02T12:00:00Z")
    runs = event("tool.started", 6, call_id="t1.s1.c2", name="add", args={})
    told, _ = run([*opening, asks, runs])
    assert told[-1]["type"] != "RUN_FINISHED"
    told, client = run([*opening, asks, runs, result(7, 2, "t1.s1.c2")])
    assert told[-1]["outcome"]["type"] == "interrupt"
    assert client.state["status"] == "waiting"
    assert client.interrupts == [
        {
            "id": "t1.s1.c1.approval",
            "reason": "tool_approval",
            "message": "May add be called?",
            "toolCallId": "t1.s1.c1",
            "responseSchema": {
                "type": "object",
                "properties": {
                    "approved": {"type": "boolean"},
                    "reason": {"type": "string", "description": "Told to the model"},
                    "args": {"type": "object", "description": "In place of the model's"},
                    "remember": {"type": "boolean", "description": "Allows further such calls"},
                },
                "required": ["approved"],
            },
            "expiresAt": "2026-03-02T12:00:00Z",
            "metadata": {"kind": "approval", "subject": "call", "name": "add", "args": {"a": 1}},
        }
    ]


def test_a_clients_own_tool_is_a_call_without_a_result() -> None:
    asks = event("input.requested", 5, question_id="t1.s1.c1.input", call_id="t1.s1.c1", name="add", args={"a": 1})
    values = [*begun(), started(3), answered(4, CALL), asks]
    told, _ = run(values, tools=frozenset({"add"}))
    assert told[-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["t1.s1.c1"]}
    told, _ = run(values, tools=frozenset({"another"}), results={"add": {"type": "number"}})
    (asked,) = told[-1]["outcome"]["interrupts"]
    assert (asked["id"], asked["reason"]) == ("t1.s1.c1.input", "client_tool")
    assert asked["responseSchema"] == {"type": "number"}


def test_a_form_says_what_answers_it() -> None:
    fields = [{"name": "day", "type": "date", "required": True}]
    call = ToolCall(call_id="t1.s1.c1", name="ask_user", args={"prompt": "When?", "fields": fields})
    asks = event(
        "input.requested",
        5,
        question_id="t1.s1.c1.input",
        form="fields",
        call_id="t1.s1.c1",
        name="ask_user",
        args=call.args,
        prompt="When?",
    )
    told, _ = run([*begun(), started(3), answered(4, call), asks], tools=frozenset())
    (asked,) = told[-1]["outcome"]["interrupts"]
    assert (asked["reason"], asked["message"]) == ("input", "When?")
    assert asked["responseSchema"]["required"] == ["day"]
    assert asked["responseSchema"]["properties"]["day"]["format"] == "date"


def test_a_budget_question_interrupts() -> None:
    asks = event("budget.paused", 3, question_id="t1.budget", scope="turn", limit="cost_usd", prompt="Go on?")
    told, _ = run([*begun(), asks])
    (asked,) = told[-1]["outcome"]["interrupts"]
    assert (asked["id"], asked["reason"], asked["message"]) == ("t1.budget", "budget", "Go on?")


def test_what_a_handler_asks_interrupts_as_its_turn_ends() -> None:
    asks = event("input.requested", 3, question_id="t1.ask", subject="handler", form="schema", name="day", args={})
    told, _ = run([*begun(), asks])
    assert told[-1]["type"] != "RUN_FINISHED"
    told, _ = run([*begun(), asks, finished(4, "parked")])
    assert [one["id"] for one in told[-1]["outcome"]["interrupts"]] == ["t1.ask"]


@pytest.mark.parametrize("reason", ["stopped", "interrupted"])
def test_a_stopped_turn_is_cancelled(reason: str) -> None:
    partial = answered(4, Text(text="Hel"), stop="stopped")
    told, client = run([*begun(), started(3), delta(0, 0, "text", "Hel"), partial, finished(5, reason)])
    assert told[-1]["outcome"] == {"type": "cancelled"}
    assert client.messages[-1]["content"] == "Hel"


def test_a_failed_turn_is_an_error_and_what_had_streamed_is_taken_back() -> None:
    error = {"type": "quota", "message": "No credit is left", "retryable": False}
    told, client = run([*begun(), started(3), delta(0, 0, "text", "Hel"), finished(4, "failed", error=error)])
    assert told[-1] == {"type": "RUN_ERROR", "message": "No credit is left", "code": "quota"}
    assert client.messages == [HI]


def test_a_rejected_message_is_an_error() -> None:
    told, _ = run([event("message.rejected", 3, None, message_id="m1", reason="session_closed")])
    assert (told[-1]["type"], told[-1]["code"]) == ("RUN_ERROR", "session_closed")


def test_a_message_that_waits_is_told_what_goes_before_it() -> None:
    other = [
        event("turn.started", 2, cause="message"),
        event("message.added", 3, message=user("other", Text(text="of another client"))),
        started(4),
        answered(5, Text(text="yes")),
        finished(6),
    ]
    own = [
        event("turn.started", 7, "t2", cause="message"),
        event("message.added", 8, "t2", message=user("m1", turn_id="t2")),
        event("turn.finished", 9, "t2", reason="done", usage={}, cost_usd=0.0),
    ]
    queued = event("message.queued", 1, None, message_id="m1", position=1)
    told, client = run([queued, *other, *own])
    assert told[2] == {
        "type": "CUSTOM",
        "name": "message.queued",
        "value": {"seq": 1, "at": "2026-03-01T12:00:00Z", "turn_id": None, **{"type": "message.queued"}}
        | {"message_id": "m1", "position": 1},
    }
    assert client.messages[1:] == [
        {"id": "other", "role": "user", "content": "of another client"},
        {"id": "t1.s1", "role": "assistant", "content": "yes"},
    ]
    assert told[-1]["result"]["turn_id"] == "t2"


def test_a_message_with_a_file_of_another_client() -> None:
    picture = File(uri=f"acme/s1/{'a' * 64}", media_type="image/png", name="cat.png")
    told, client = run([*begun(), event("message.added", 3, message=user("m2", Text(text="see"), picture))])
    source = {"type": "url", "value": f"/v1/sessions/s1/files/{'a' * 64}", "mimeType": "image/png"}
    assert told[-1]["type"] == "MESSAGES_SNAPSHOT"
    assert client.messages[-1]["content"] == [{"type": "text", "text": "see"}, {"type": "image", "source": source}]


def test_the_sessions_own_notes_are_no_messages() -> None:
    note = user("x", Data(name="timer", value={"note": "now", "due": "later", "timer_id": "x"}), own=True)
    told, client = run([*begun(), event("message.added", 3, message=note)])
    assert (told[-1]["type"], told[-1]["name"]) == ("CUSTOM", "message.added")
    assert client.messages == [HI]


def test_a_sub_agent_is_told_of_and_what_it_asks_interrupts() -> None:
    calls = event("tool.started", 5, call_id="t1.s1.c1", name="add", args={}, session_id="s1~t1.s1.c1")
    asks = event("approval.requested", 3, question_id="t1.s1.c1.approval", call_id="t1.s1.c1", name="book", args={})
    assert isinstance(asks, ApprovalRequested)
    opening = [*begun(), started(3), answered(4, CALL), calls]
    below = AgentEvent("t1.s1.c1", "s1~t1.s1.c1", asks)
    told, _ = run([*opening, result(6, "done")])
    assert [one for one in told if "SUBAGENT" in one["type"]] == [
        {"type": "SUBAGENT_STARTED", "subagentRunId": "s1~t1.s1.c1", "name": "add", "parentToolCallId": "t1.s1.c1"},
        {"type": "SUBAGENT_FINISHED", "subagentRunId": "s1~t1.s1.c1", "outcome": {"type": "success"}},
    ]
    # What was asked may have been answered long ago: the session says what is open.
    made = Run(RunOf("s1", "r1", message_id="m1"), State("s1", "plain"), [HI])
    told = [*made.begin(), *(one for value in [*opening, below] for one in made.take(value))]
    assert (made.asks_below, made.over) == (True, False)
    assert made.take_below([]) == []
    told += made.take_below([SubQuestion(asks.question, "s1~t1.s1.c1", ("helper",))])
    verify(told)
    assert [one["id"] for one in Client().apply(told).interrupts] == ["s1~t1.s1.c1/t1.s1.c1.approval"]
    suspended = {"type": "suspended", "interruptIds": ["s1~t1.s1.c1/t1.s1.c1.approval"]}
    assert [one["outcome"] for one in told if one["type"] == "SUBAGENT_FINISHED"] == [suspended]


def test_the_to_do_list_is_state() -> None:
    items = [{"id": "1", "text": "Look", "status": "doing"}]
    _, client = run([*begun(), event("todo.updated", 3, items=items)])
    assert client.state["todo"] == items


def test_feedback_is_no_matter_of_a_run() -> None:
    given = [event("feedback.given", 3, score=1), event("feedback.given", 4, "t7", score=-1, text="No")]
    assert run([*begun(), *given])[0] == run(begun())[0]


def test_what_is_not_done_is_said() -> None:
    told, _ = run([], ignored={"tools": ["fly"]})
    assert told[1] == {"type": "CUSTOM", "name": "ignored", "value": {"tools": ["fly"]}}


# A run that begins with a snapshot.


def snapshot(*messages: Message, **page: Any) -> Snapshot:
    story = Story.new()
    made = answers.snapshot(story.state, "acme/s1", PageRequest())
    return Snapshot(made.model_copy(update={"seq": 10, **page}), messages)


def continued(first: Snapshot, values: Iterable[Event | Frame] = (), **of: Any) -> tuple[list[dict[str, Any]], Client]:
    made = Run(RunOf("s1", "r1", **of), State("s1", "plain"))
    told = [*made.begin(), *made.take(first)]
    for value in values:
        told += made.take(value)
    verify(told, is_whole=made.over)
    return told, Client().apply(told)


SAID = Message(id="t1.s1", role="assistant", turn_id="t1", at=AT, parts=(Text(text="Hello"),))
CALLED = Message(id="t1.s1", role="assistant", turn_id="t1", at=AT, parts=(CALL,))


def test_a_session_at_rest_is_told_and_the_run_ends() -> None:
    first = snapshot(user("m1"), SAID, status="idle", turn_id=None, ended=EndedTurn(turn_id="t1", reason="done"))
    told, client = continued(first)
    assert types(told) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "STATE_SNAPSHOT", "RUN_FINISHED"]
    assert client.messages == [HI, {"id": "t1.s1", "role": "assistant", "content": "Hello"}]


def test_a_step_that_streams_is_told_anew_to_whoever_may_have_a_part_of_it() -> None:
    first = snapshot(user("m1"), status="working", turn_id="t1")
    progress = StepProgress("t1.s1", 1, 2, [LivePart("reasoning", "so"), LivePart("text", "Hel")])
    values: list[Event | Frame] = [
        progress,
        delta(2, 1, "text", "lo"),
        answered(11, Reasoning(text="so"), Text(text="Hello")),
        finished(12),
    ]
    told, _ = continued(first, values)
    stale = Client(
        [
            dict(HI),
            {"id": "t1.s1.r1", "role": "reasoning", "content": "s"},
            {"id": "t1.s1", "role": "assistant", "content": "H"},
        ]
    )
    assert stale.apply(told).messages == [
        HI,
        {"id": "t1.s1.r1", "role": "reasoning", "content": "so"},
        {"id": "t1.s1", "role": "assistant", "content": "Hello"},
    ]


def test_a_session_that_waits_interrupts_at_once() -> None:
    asked = Question(question_id="t1.s1.c1.approval", kind="approval", call_id="t1.s1.c1", name="add", args={})
    first = snapshot(user("m1"), CALLED, status="waiting", turn_id="t1", questions=(asked,))
    told, client = continued(first)
    assert told[-1]["type"] == "RUN_FINISHED"
    assert [one["id"] for one in client.interrupts] == ["t1.s1.c1.approval"]


def test_what_was_answered_goes_on() -> None:
    asked = Question(question_id="t1.s1.c1.approval", kind="approval", call_id="t1.s1.c1", name="add", args={})
    first = snapshot(user("m1"), CALLED, status="waiting", turn_id="t1", questions=(asked,))
    resolved = event("approval.resolved", 11, question_id=asked.question_id, call_id="t1.s1.c1", approved=True)
    values = [resolved, result(12, 3), started(13, "t1.s2"), answered(14, Text(text="3"), step="t1.s2"), finished(15)]
    told, client = continued(first, values, answered=frozenset({"t1.s1.c1.approval"}))
    assert told[-1]["outcome"] == {"type": "success"}
    assert [message["role"] for message in client.messages] == ["user", "assistant", "tool", "assistant"]


def test_of_a_conversation_that_is_too_large_the_newest_messages_are_told() -> None:
    long = [user(f"m{number}", Text(text="x" * (MOST_BYTES // 4))) for number in range(6)]
    ended = EndedTurn(turn_id="t1", reason="done")
    told, client = continued(snapshot(*long, SAID, status="idle", turn_id=None, ended=ended))
    assert [message["id"] for message in client.messages] == ["m3", "m4", "m5", "t1.s1"]
    assert told[2] == {"type": "CUSTOM", "name": "left_out", "value": {"messages": 3}}


def test_a_rewind_asks_for_a_new_snapshot() -> None:
    made = Run(RunOf("s1", "r1"), State("s1", "plain"))
    told = [*made.begin(), *made.take(snapshot(user("m1"), SAID, status="working", turn_id="t2"))]
    told += made.take(
        event("transcript.rewound", 11, None, message_id="m1", branch="b2", left="b1", kept=0, cause="rewind")
    )
    assert made.is_stale
    ended = EndedTurn(turn_id="t3", reason="done")
    told += made.take(snapshot(user("m2"), status="idle", turn_id=None, ended=ended, seq=12))
    verify(told)
    assert Client().apply(told).messages == [{**HI, "id": "m2"}]
