"""Messages and events as viewers see them: the contract's fields, and no internal ones."""

from pathlib import Path
from typing import Any

import pytest

from perdure.temporal.sessions.event_json import event_json, message_json, question_json
from perdure.temporal.sessions.hydrate import whole_event, whole_message, whole_question
from perdure.temporal.stores.blobs import LocalBlobs, fold, fold_part
from perdure.workflows.vocabulary.events import Event, Events
from perdure.workflows.vocabulary.parts import (
    BlobRef,
    Data,
    File,
    Message,
    Native,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolError,
    ToolResult,
)
from perdure.workflows.vocabulary.questions import Question
from tests.support.core import AT, Story

SESSION = "acme/s1"
LONG = "x" * 100_000
NATIVE = Native(api="demo", block={"secret": 1})


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path)


def message(*parts: Part, **fields: Any) -> Message:
    return Message(id="m1", role="assistant", parts=parts, turn_id="t1", at=AT, **fields)


def event(kind: str, **fields: Any) -> Event:
    return Events.validate_python({"type": kind, "seq": 3, "at": AT, "turn_id": "t1", **fields})


async def test_a_message_is_neutral_and_without_what_is_absent(blobs: LocalBlobs) -> None:
    shown = message_json(
        await whole_message(
            message(
                Reasoning(text="hm", native=NATIVE),
                Text(text="hello", native=NATIVE),
                ToolCall(call_id="t1.s1.c1", name="add", args={}, args_raw="{a", native=NATIVE),
                ToolResult(call_id="t1.s1.c1", name="add", output={"native": 1, "blob": None}),
                File(uri="https://a/b.png", media_type="image/png", name="b.png"),
                Data(name="row", value={"args_raw": [1]}),
            ),
            blobs,
        )
    )

    assert shown == {
        "id": "m1",
        "role": "assistant",
        "turn_id": "t1",
        "at": "2026-03-01T12:00:00Z",
        "parts": [
            {"type": "reasoning", "text": "hm"},
            {"type": "text", "text": "hello"},
            {"type": "tool_call", "call_id": "t1.s1.c1", "name": "add", "args": {}},
            # Internal field names inside a value belong to the value's author.
            {
                "type": "tool_result",
                "call_id": "t1.s1.c1",
                "name": "add",
                "output": {"native": 1, "blob": None},
                "is_error": False,
            },
            {"type": "file", "uri": "https://a/b.png", "media_type": "image/png", "name": "b.png"},
            {"type": "data", "name": "row", "value": {"args_raw": [1]}},
        ],
    }


async def test_a_stopped_message_says_so(blobs: LocalBlobs) -> None:
    assert (message_json(await whole_message(message(stopped=True), blobs)))["stopped"] is True


@pytest.mark.parametrize(
    "part",
    [
        Text(text=LONG),
        Reasoning(text=LONG),
        ToolCall(call_id="c1", name="add", args={"text": LONG}),
        ToolResult(call_id="c1", name="add", output={"text": LONG}),
        ToolResult(call_id="c1", name="add", output=ToolError(type="x", message=LONG).model_dump(), is_error=True),
        File(uri=f"data:,{LONG}", media_type="text/plain", name="a.txt"),
        Data(name="row", value=[LONG]),
    ],
    ids=lambda part: type(part).__name__,
)
async def test_a_folded_part_is_shown_whole(blobs: LocalBlobs, tmp_path: Path, part: Part) -> None:
    kept = message(*await fold(blobs, SESSION, (Text(text="short"), part)))
    assert kept.parts[1].blob is not None

    # Another process, which has not just written the blob.
    shown = message_json(await whole_message(kept, LocalBlobs(tmp_path)))
    assert shown["parts"] == [
        {"type": "text", "text": "short"},
        part.model_dump(mode="json", exclude={"native", "blob", "args_raw"}),
    ]


async def test_a_folded_tool_result_is_shown_whole_in_its_event(blobs: LocalBlobs) -> None:
    result = ToolResult(call_id="c1", name="add", output=LONG)
    folded = await fold_part(blobs, SESSION, result)
    assert isinstance(folded.blob, BlobRef)

    finished = event("tool.finished", call_id="c1", name="add", result=folded, duration_ms=1.5)
    shown = event_json(await whole_event(finished, blobs))
    assert shown == {
        "type": "tool.finished",
        "seq": 3,
        "at": "2026-03-01T12:00:00Z",
        "turn_id": "t1",
        "call_id": "c1",
        "name": "add",
        "result": {"type": "tool_result", "call_id": "c1", "name": "add", "output": LONG, "is_error": False},
        "duration_ms": 1.5,
    }


@pytest.mark.parametrize("kind", ["tool.started", "approval.requested", "input.requested"])
async def test_folded_arguments_are_shown_whole(blobs: LocalBlobs, kind: str) -> None:
    folded = await fold_part(blobs, SESSION, ToolCall(call_id="c1", name="add", args={"text": LONG, "prompt": "When?"}))
    assert folded.blob is not None
    about = {"call_id": "c1", "name": "add", "args": {}, "blob": folded.blob}
    asked = {"question_id": "q1"} if kind != "tool.started" else {}
    shown = event_json(await whole_event(event(kind, **about, **asked), blobs))
    assert shown["args"] == {"text": LONG, "prompt": "When?"}
    # Only questions have a prompt.
    assert (shown.get("prompt"), "blob" in shown) == ("When?" if kind == "input.requested" else None, False)


async def test_a_question_s_folded_arguments_are_shown_whole(blobs: LocalBlobs) -> None:
    folded = await fold_part(blobs, SESSION, ToolCall(call_id="c1", name="add", args={"text": LONG, "prompt": "When?"}))
    question = Question(question_id="q1", kind="input", call_id="c1", name="add", args={}, blob=folded.blob)
    shown = question_json(await whole_question(question, blobs))
    assert shown == {
        "question_id": "q1",
        "kind": "input",
        "subject": "call",
        "call_id": "c1",
        "name": "add",
        "args": {"text": LONG, "prompt": "When?"},
        "prompt": "When?",
    }
    approval = question_json(await whole_question(question.model_copy(update={"kind": "approval"}), blobs))
    assert "prompt" not in approval


async def test_what_is_not_known_is_null_and_what_there_is_not_is_absent(blobs: LocalBlobs) -> None:
    shown = event_json(await whole_event(event("turn.finished", reason="done", usage={}, cost_usd=None), blobs))
    assert shown["cost_usd"] is None
    assert "error" not in shown
    error = {"type": "x", "message": "y", "retryable": False}
    shown = event_json(
        await whole_event(event("turn.finished", reason="failed", usage={}, cost_usd=0.5, error=error), blobs)
    )
    assert shown["error"] == error


async def test_the_words_of_the_contract(blobs: LocalBlobs) -> None:
    change = {"step_id": "t1.s1", "from": "demo/a", "to": "demo/b", "reason": "configured"}
    shown = event_json(await whole_event(event("model.switched", **change), blobs))
    assert {name: shown[name] for name in change} == change


async def test_every_event_of_a_session_is_flat_and_carries_its_message_neutrally(blobs: LocalBlobs) -> None:
    story = Story.new(inputs={"name": "Ann"}).loaded().turn("what is it?")
    story.open()
    story.answered(Text(text="it is", native=NATIVE)).finished()
    shown = [event_json(await whole_event(one, blobs)) for one in story.state.log.events]

    assert [one["type"] for one in shown] == [
        "session.started",
        "turn.started",
        "message.added",
        "step.started",
        "step.finished",
        "turn.finished",
    ]
    assert [one["seq"] for one in shown] == [1, 2, 3, 4, 5, 6]
    assert shown[0]["turn_id"] is None
    assert shown[4]["message"]["parts"] == [{"type": "text", "text": "it is"}]
    assert "secret" not in str(shown)
