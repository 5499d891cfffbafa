"""What OpenAI's clients write, read as what a session takes."""

from typing import Any

import pytest
from pydantic import ValidationError

from perdure.gateway.http.chat_bodies import new_parts, told
from perdure.gateway.http.openai_bodies import CreateResponse
from perdure.gateway.http.openai_envelope import envelope
from perdure.gateway.http.openai_input import Decision, Output, read_input
from perdure.gateway.http.problems import Problem
from perdure.gateway.routes.response_turn import Settled
from perdure.temporal.sessions.validation import from_validation
from tests.support.told_turns import ToldTurn

PNG = "data:image/png;base64,iVBORw0KGgo="


def dumped(parts: Any) -> list[dict[str, Any]]:
    return [part.model_dump(exclude_none=True) for part in parts]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_text", "text": "Hi"}, {"type": "text", "text": "Hi"}),
        ({"type": "input_image", "image_url": PNG, "detail": "auto"}, {"type": "file", "uri": PNG}),
        (
            {"type": "input_image", "image_url": "https://x.org/a.jpg?b=c"},
            {"type": "file", "uri": "https://x.org/a.jpg?b=c", "media_type": "image/jpeg"},
        ),
        (
            {"type": "input_image", "image_url": "https://x.org/a"},
            {"type": "file", "uri": "https://x.org/a", "media_type": "image/png"},
        ),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
            {"type": "file", "uri": "data:application/pdf;base64,JVBERg==", "name": "a.pdf"},
        ),
        (
            {"type": "input_file", "file_url": "https://x.org/a"},
            {"type": "file", "uri": "https://x.org/a", "media_type": "application/pdf"},
        ),
        ({"type": "image_url", "image_url": {"url": PNG}}, {"type": "file", "uri": PNG}),
        ({"type": "text", "text": "Hi"}, {"type": "text", "text": "Hi"}),
    ],
)
def test_each_part_of_a_message(part: Any, expected: dict[str, Any]) -> None:
    given = read_input([{"type": "message", "role": "user", "content": [part]}])
    assert dumped(given.parts) == [expected]


def test_answers() -> None:
    given = read_input(
        [
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "red"}]},
            {"type": "mcp_approval_response", "approval_request_id": "a1", "approve": False, "reason": "No."},
        ]
    )
    assert given.outputs == (Output("input[0]", "c1", "red"),)
    assert given.decisions == (Decision("input[1]", "a1", False, "No."),)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("", "input"),
        ("  ", "input"),
        ([], "input"),
        ([{"role": "user", "content": []}], "input[0].content"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], "input[0].content[0]"),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}],
            "input[0].content[0].image_url",
        ),
        ([{"role": "user", "content": [{"type": "input_file", "file_id": "file_x"}]}], "input[0].content[0].file_id"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "blob:x"}}]}],
            "input[0].content[0].image_url.url",
        ),
        ([{"role": "user", "content": [{"type": "input_file"}]}], "input[0].content[0]"),
        ([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "input[1]"),
        ([{"role": "developer", "content": "x"}], "input[0]"),
        ([{"role": "owner", "content": "x"}], "input[0].role"),
        ([{"type": "reasoning", "summary": []}], "input[0]"),
        ([{"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}], "input[0]"),
        ([{"type": "computer_call_output"}], "input[0].type"),
        ([{"type": "function_call_output", "output": "x"}], "input[0].call_id"),
        ([{"type": "function_call_output", "call_id": "c", "output": 5}], "input[0].output"),
        ([{"type": "mcp_approval_response", "approval_request_id": "a", "approve": "yes"}], "input[0].approve"),
        (
            [
                {"type": "function_call_output", "call_id": "c", "output": "x"},
                {"role": "user", "content": "And this"},
            ],
            "input",
        ),
    ],
)
def test_what_is_refused_is_named(given: Any, field: str) -> None:
    with pytest.raises(Problem) as refused:
        read_input(given)
    assert (refused.value.code, refused.value.errors[0].field) == ("validation", field)


def test_a_conversation_that_its_caller_keeps() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "found"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]},
        {"role": "user", "content": "Four"},
    ]
    new = [{"type": "text", "text": "Three"}, {"type": "text", "text": "Four"}]
    assert dumped(new_parts(messages)) == new
    before, *rest = dumped(told(messages))
    assert rest == new
    assert before["text"].split("\n\n")[1:-1] == [
        "User: One",
        'Assistant called a tool: {"id":"c","function":{"name":"f"}}',
        "Result of a tool: found",
        "Assistant: Two",
    ]
    assert dumped(told(messages[:1])) == [{"type": "text", "text": "One"}]


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}], "messages[0]"),
        ([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "messages[1]"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"content": "x"}], "messages[0].role"),
    ],
)
def test_what_of_a_conversation_is_refused_is_named(messages: Any, field: str) -> None:
    with pytest.raises(Problem) as refused:
        told(messages)
    assert refused.value.errors[0].field == field


def test_messages_that_came_after_another_one() -> None:
    """`m1` waits behind `m0`; `m2` waits behind it, and `m3` joins its turn."""
    turn = ToldTurn().event("message.queued", message_id="m0", position=1)
    turn.event("message.queued", message_id="m1", position=2).added("m0", "user", "Zero").ends()
    turn.event("message.queued", message_id="m2", position=2).begin().added("m3", "user", "Three").ends()
    turn.added("m2", "user", "Two")
    settled = Settled("m1")
    for event in turn.durable:
        settled.follow(event)
    assert settled.later == ["m2", "m3"]


def test_a_refusal_in_openai_s_words() -> None:
    problem = {"detail": "input: is empty", "code": "validation", "errors": [{"field": "input", "message": "is empty"}]}
    assert envelope(400, problem) == {
        "message": "input: is empty",
        "type": "invalid_request_error",
        "param": "input",
        "code": "validation",
    }
    assert envelope(503, {"title": "Away"})["type"] == "server_error"


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"input": 5}, {"input": "must be text, or must be a list"}),
        ({"input": [5]}, {"input": "must be text", "input[0]": "must be a JSON object"}),
        ({"conversation": 5}, {"conversation": "must be text, or must be a JSON object"}),
        ({"conversation": {"id": 5}}, {"conversation": "must be text", "conversation.id": "must be text"}),
        ({"Input": 5, "str": 5}, dict.fromkeys(["Input", "str"], "is not a field that this request takes")),
    ],
)
def test_what_may_be_of_several_kinds_is_named_by_its_field(fields: dict[str, Any], errors: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        CreateResponse.model_validate({"model": "a", "input": "b", **fields})
    found = from_validation([{**one, "loc": ("body", *one["loc"])} for one in refused.value.errors()])
    assert {one.field: one.message for one in found.errors} == errors
