"""Answers as the AI SDK's chunks: golden streams of single turns, and what ends them."""

from typing import Any

import pytest

from perdure.gateway.projections.ai_sdk import Answer
from perdure.gateway.projections.ai_sdk_calls import settled
from perdure.temporal.live.frames import ToolProgress
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import FeedbackGiven, MessageAdded, StepFinished
from perdure.workflows.vocabulary.parts import Data, File, Message, Text
from perdure.workflows.vocabulary.question_events import InputRequested
from perdure.workflows.vocabulary.todo import TodoItem, TodoUpdated
from tests.support.ai_sdk_story import AT, SESSION, Story, call, chunks_of, kept, loaded, thought, told

START = {
    "type": "start",
    "messageId": "t1",
    "messageMetadata": {"sessionId": "chat", "turnId": "t1", "createdAt": "2026-03-01T12:00:00Z"},
}
SHA = "a" * 64


def test_an_answer_that_streams() -> None:
    story = Story().begin().step_begins()
    story.delta(0, 0, "Hm", kind="reasoning").delta(1, 1, "Hel").delta(2, 1, "lo")
    story.step_ends(thought("Hm"), Text(text="Hello!")).finish()
    made = chunks_of(story.items)
    assert made[0] == START
    assert made[1] == {"type": "data-step", "data": {"step_id": "t1.s1", "model": "demo/demo"}, "transient": True}
    assert told(made[2:]) == [
        "start-step",
        *("reasoning-start t1.s1.0", "reasoning-delta t1.s1.0 Hm", "reasoning-end t1.s1.0"),
        *("text-start t1.s1.1", "text-delta t1.s1.1 Hel", "text-delta t1.s1.1 lo", "text-delta t1.s1.1 !"),
        *("text-end t1.s1.1", "finish-step", "finish stop"),
    ]
    assert made[-1]["messageMetadata"] == {
        "reason": "done",
        "usage": {
            "inputTokens": 3,
            "outputTokens": 2,
            "totalTokens": 5,
            "cachedInputTokens": 0,
            "reasoningTokens": 0,
        },
        "costUsd": 0.5,
    }


def test_a_tool_of_the_server_is_not_the_clients_to_run() -> None:
    story = Story().begin().step_begins().delta(0, 0, '{"of', kind="tool_input", name="add")
    story.step_ends(call("t1.s1.c1", "add")).starts("t1.s1.c1", "add").ends("t1.s1.c1", "add", {"sum": 3})
    made = chunks_of(story.answers("3").finish().items)
    assert [chunk for chunk in made if chunk["type"].startswith("tool-")] == [
        {"type": "tool-input-start", "toolCallId": "t1.s1.c1", "toolName": "add", "dynamic": True},
        {"type": "tool-input-delta", "toolCallId": "t1.s1.c1", "inputTextDelta": '{"of'},
        {
            "type": "tool-input-available",
            "toolCallId": "t1.s1.c1",
            "toolName": "add",
            "input": {"of": "t1.s1.c1"},
            "dynamic": True,
            "providerExecuted": True,
        },
        {
            "type": "tool-output-available",
            "toolCallId": "t1.s1.c1",
            "output": {"sum": 3},
            "dynamic": True,
            "providerExecuted": True,
        },
    ]
    assert told(made)[-7:] == [
        *("data-step", "start-step", "text-start t1.s2.0", "text-delta t1.s2.0 3", "text-end t1.s2.0"),
        *("finish-step", "finish stop"),
    ]


def test_a_call_that_fails_or_was_never_made() -> None:
    story = Story().begin().calls("add", "odd").starts("t1.s1.c1", "add").ends("t1.s1.c1", "add", error="Too big")
    made = told(chunks_of(story.ends("t1.s1.c2", "odd", error="There is no tool odd").answers("Oh").finish().items))
    assert made[3:10] == [
        *("tool-input-start t1.s1.c1", "tool-input-start t1.s1.c2"),
        *("tool-input-available t1.s1.c1", "tool-output-error t1.s1.c1 Too big"),
        *("tool-input-available t1.s1.c2", "tool-output-error t1.s1.c2 There is no tool odd", "finish-step"),
    ]


def test_it_waits_only_for_people() -> None:
    """Both calls ask, one is answered elsewhere and runs; the stream ends when nothing runs any more."""
    story = Story().begin().calls("pay", "pay").asks("t1.s1.c1", "pay").asks("t1.s1.c2", "pay")
    answer, waits = Answer(SESSION), []
    for item in story.resolves("t1.s1.c1", True).starts("t1.s1.c1", "pay").ends("t1.s1.c1", "pay").items:
        answer.take(item)
        waits.append(answer.waits)
    assert waits == [False] * 5 + [True, False, False, True]
    end = answer.ending()
    assert end == [{"type": "finish", "finishReason": "tool-calls", "messageMetadata": {"reason": "waiting"}}]


def test_a_continuation_has_only_what_is_new() -> None:
    story = Story().begin().calls("pay").asks("t1.s1.c1", "pay")
    answer, asked = Answer(SESSION), len(story.items)
    story.resolves("t1.s1.c1", False, "no").ends("t1.s1.c1", "pay", error="Denied").answers("Well.").finish()
    before = [chunk for item in story.items[:asked] for chunk in answer.take(item)]
    assert told(before)[-2:] == ["tool-approval-request t1.s1.c1", "finish-step"]
    new = [*answer.again(), *(chunk for item in story.items[asked:] for chunk in answer.take(item)), *answer.ending()]
    assert new[0] == START
    assert told(new[1:]) == [
        *("tool-output-denied t1.s1.c1", "data-step", "start-step"),
        *("text-start t1.s2.0", "text-delta t1.s2.0 Well.", "text-end t1.s2.0", "finish-step", "finish stop"),
    ]
    denied = loaded(story)[1]["parts"][1]
    assert denied["state"] == "output-denied"
    assert denied["approval"] == {"id": "t1.s1.c1.approval", "approved": False, "reason": "no"}


def test_a_client_tool_is_the_clients_and_does_not_end_the_message() -> None:
    """A client whose own call is the last word of a message asks to go on, again and again: so a step follows."""
    story = Story().begin().calls("pick").starts("t1.s1.c1", "pick").wants("t1.s1.c1", "pick")
    made = chunks_of(story.items)
    assert told(made)[-4:] == [*["tool-input-available t1.s1.c1"] * 2, "finish-step", "finish tool-calls"]
    assert [chunk["providerExecuted"] for chunk in made[-4:-2]] == [True, False]
    story.gets("t1.s1.c1.input", 1).ends("t1.s1.c1", "pick", 1).finish("max_steps")
    assert told(chunks_of(story.items))[-4:] == [
        *("tool-output-available t1.s1.c1", "start-step", "finish-step", "finish other"),
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        # What was streamed goes on: nothing is taken back.
        (lambda one: one.snapshot(5, ("text", "One two three")), ["text-delta t1.s1.0  three"]),
        # A gap: deltas tell nothing until all comes again.
        (lambda one: one.delta(4, 0, "five").snapshot(6, ("text", "One two four")), ["text-delta t1.s1.0  four"]),
        (
            lambda one: one.snapshot(0, attempt=2).delta(0, 0, "Another", attempt=2),
            [
                *("text-end t1.s1.0", "data-retried t1.s1.0", "finish-step"),
                *("start-step", "text-start t1.s1.0", "text-delta t1.s1.0 Another"),
            ],
        ),
    ],
)
def test_what_a_client_is_told_where_it_cannot_take_back(more: Any, expected: list[str]) -> None:
    story = Story().begin().step_begins().delta(0, 0, "One ").delta(1, 0, "two")
    begun = len(chunks_of(story.items, ends=False))
    assert told(chunks_of(more(story).items, ends=False))[begun:] == expected


def test_a_call_of_a_lost_attempt_is_closed() -> None:
    story = Story().begin().step_begins().delta(0, 0, '{"a', kind="tool_input", name="add").snapshot(0, attempt=2)
    made = chunks_of(story.step_ends(Text(text="No need.")).finish().items)
    assert told(made)[4:8] == [
        'tool-input-delta t1.s1.c1 {"a',
        "tool-output-error t1.s1.c1 The model was asked again, so this call was not made.",
        *("data-retried t1.s1.0", "finish-step"),
    ]
    assert [part["type"] for part in kept(made)["parts"]] == ["step-start", "text"]


def test_what_a_client_has_run_it_is_not_asked_to_run_again() -> None:
    story = Story().begin().calls("pick", "pick").starts("t1.s1.c1", "pick").wants("t1.s1.c1", "pick")
    story.starts("t1.s1.c2", "pick").wants("t1.s1.c2", "pick").gets("t1.s1.c1.input", 1).ends("t1.s1.c1", "pick", 1)
    made = chunks_of(story.items)
    again = settled(made)
    asked = [chunk["toolCallId"] for chunk in again if chunk.get("providerExecuted") is False and "input" in chunk]
    assert asked == ["t1.s1.c2"]
    assert kept(again) == kept(made)


def test_a_step_that_comes_to_nothing_leaves_the_clients_call_as_the_last_word() -> None:
    story = Story().begin().calls("pick").starts("t1.s1.c1", "pick").wants("t1.s1.c1", "pick")
    story.gets("t1.s1.c1.input", 1).ends("t1.s1.c1", "pick", 1).step_begins()
    lived = [*story.items, *Story(turn="t1", steps=2).delta(0, 0, "Hm").items]
    ends = story.step_ends().finish("max_steps").items[-2:]
    assert kept(chunks_of([*lived, *ends])) == kept(chunks_of([*lived[:-1], *ends]))
    assert kept(chunks_of([*lived, *ends]))["parts"][-1] == {"type": "step-start"}


def test_the_ends() -> None:
    stopped = chunks_of(
        Story().begin().step_begins().delta(0, 0, "Hel").step_ends(Text(text="Hel")).finish("stopped").items
    )
    assert told(stopped)[-4:] == ["text-end t1.s1.0", "finish-step", "message-metadata", "abort stopped"]
    failed = chunks_of(Story().begin().step_begins().step_ends().finish("failed", "No key").items)
    assert told(failed)[-3:] == ["data-error t1", "message-metadata", "error No key"]
    cut = chunks_of(Story().begin().step_begins().step_ends(Text(text="Hel"), stop="max_tokens").finish().items)
    assert told(cut)[-1] == "finish length"
    assert loaded(Story().begin().step_begins().step_ends().finish("failed", "No key"))[1]["metadata"]["error"] == {
        "type": "failed",
        "message": "No key",
    }


def test_a_budget_is_asked_about_and_its_stream_ends() -> None:
    story = Story().begin().answers("Half.")
    story.items.append(
        BudgetPaused(**story.stamp(), question_id="q1", scope="turn", limit="cost_usd", cap=1, prompt="May it go on?")
    )
    made = chunks_of(story.items)
    assert made[-1] == {"type": "finish", "finishReason": "other", "messageMetadata": {"reason": "waiting"}}
    asked = next(chunk for chunk in made if chunk["type"] == "data-question")
    assert (asked["id"], asked["data"]["kind"], asked["data"]["state"]) == ("q1", "budget", "open")
    story.items.append(BudgetRaised(**story.stamp(), question_id="q1", scope="turn", limit="cost_usd", value=2))
    parts = kept(chunks_of(story.answers("Whole.").finish().items))["parts"]
    assert [part["data"]["state"] for part in parts if part["type"] == "data-question"] == ["answered"]


def test_what_servers_and_handlers_ask_is_answered_elsewhere() -> None:
    story = Story().begin().calls("book").starts("t1.s1.c1", "book")
    story.wants("t1.s1.c1", "book", question_id="q1", subject="server", form="schema", prompt="Which seat?")
    made = chunks_of(story.items)
    assert told(made)[-3:] == ["data-question q1", "finish-step", "finish tool-calls"]
    story.gets("q1", "12A").ends("t1.s1.c1", "book").finish()
    assert told(chunks_of(story.items))[-4:] == [
        *("finish-step", "data-question q1", "tool-output-available t1.s1.c1", "finish stop"),
    ]
    parked = Story().begin()
    asked = {"question_id": "t1.ask", "name": "ask", "args": {}, "subject": "handler", "form": "schema"}
    parked.items.append(InputRequested(**parked.stamp(), **asked))
    parked.finish("parked")
    assert told(chunks_of(parked.items))[-2:] == ["data-question t1.ask", "finish other"]
    assert loaded(parked.gets("t1.ask", "yes"))[1]["parts"][0]["data"]["state"] == "answered"


def test_feedback_is_not_told() -> None:
    story = Story().begin()
    before = chunks_of(story.items, ends=False)
    story.items.append(FeedbackGiven(**story.stamp(), score=1))
    story.items.append(FeedbackGiven(**(story.stamp() | {"turn_id": "t7"}), score=-1, text="No"))
    assert chunks_of(story.items, ends=False) == before


def test_what_is_told_beside_words() -> None:
    story = Story().begin().calls("ask_helper").starts("t1.s1.c1", "ask_helper", session_id="chat~t1.s1.c1")
    story.items.append(TodoUpdated(**story.stamp(), items=(TodoItem(id="1", text="Look"),)))
    story.items.append(ToolProgress("t1.s1.c1", "half", 0.5))
    note = Message(id="w1", role="user", parts=(Data(name="timer", value="x"),), turn_id="t1", at=AT, own=True)
    story.items.append(MessageAdded(**story.stamp(), message=note))
    words = Message(id="t1.say1", role="assistant", parts=(Text(text="Hi"),), turn_id="t1", at=AT)
    story.items.append(MessageAdded(**story.stamp(), message=words))
    made = chunks_of(story.items, ends=False)
    assert told(made)[5:] == [
        *("data-agent t1.s1.c1", "data-todo todo", "data-tool-progress", "data-note w1"),
        *("text-start t1.say1.0", "text-delta t1.say1.0 Hi", "text-end t1.say1.0"),
    ]
    assert made[7]["transient"] is True


def test_files_have_addresses() -> None:
    file = File(uri=f"default/chat/{SHA}", media_type="image/png", name="a.png")
    story = Story().begin().step_begins().step_ends(file, Text(text="Here.")).finish()
    parts = kept(chunks_of(story.items))["parts"]
    assert parts[2] == {"type": "file", "url": f"/v1/sessions/chat/files/{SHA}", "mediaType": "image/png"}


def test_hidden_blocks_stay_hidden_until_they_ask() -> None:
    block = Block(handler="message", kind="call", name="pay", at="message[0]", display="hidden")
    hidden = Story().begin().starts("t1.s0.c1", "pay", block=block).finish("done")
    assert told(chunks_of(hidden.items)) == ["start t1", "finish stop"]
    asked = Story().begin().asks("t1.s0.c1", "pay").items
    assert told(chunks_of(asked))[1:5] == [
        *("start-step", "tool-input-start t1.s0.c1", "tool-input-available t1.s0.c1", "tool-approval-request t1.s0.c1"),
    ]


def test_the_last_step_without_an_answer_is_not_left_open() -> None:
    story = Story().begin().step_begins().delta(0, 0, "Hel").finish("stopped")
    assert told(chunks_of(story.items))[-5:] == [
        *("text-end t1.s1.0", "data-retried t1.s1.0", "finish-step", "message-metadata", "abort stopped"),
    ]
    assert not any(isinstance(item, StepFinished) for item in story.items)
