"""Messages in the form of the conventions for GenAI spans."""

import json

from perdure.temporal.telemetry.span_content import finish_reason, input_messages, instructions, output_messages
from perdure.workflows.definition.model import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Data, File, Message, Reasoning, Text, ToolResult
from tests.support.core import AT, call, user


def test_messages_have_roles_and_parts() -> None:
    result = ToolResult(call_id="t1.s1.c1", name="add", output={"sum": 3})
    tool = Message(id="t1.s1.c1", role="tool", parts=(result,), at=AT)
    file = File(uri="https://a/b.png", media_type="image/png", name="b.png")
    more = Message(id="m2", role="user", parts=(file, Data(name="row", value=[1])), at=AT)

    assert json.loads(input_messages([user("hi"), tool, more])) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1.s1.c1", "response": {"sum": 3}}]},
        {
            "role": "user",
            "parts": [
                {"type": "uri", "uri": "https://a/b.png", "mime_type": "image/png"},
                {"type": "data", "name": "row", "content": [1]},
            ],
        },
    ]


def test_an_answer_has_its_finish_reason() -> None:
    parts = (Reasoning(text="hm"), Text(text="half \ud83d"), call("t1.s1.c1", a=1))

    assert json.loads(output_messages(parts, "tool_calls")) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "half ?"},
                {"type": "tool_call", "id": "t1.s1.c1", "name": "add", "arguments": {"a": 1}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    model = ModelDefinition(use="demo/x")
    assert json.loads(instructions(Prompt(model=model, system="Be brief."))) == [
        {"type": "text", "content": "Be brief."}
    ]
    dated = Prompt(model=model, system="Be brief.\n\nToday is Monday.", date="Today is Monday.")
    assert [one["content"] for one in json.loads(instructions(dated))] == ["Be brief.", "Today is Monday."]
    assert [finish_reason("end"), finish_reason("max_tokens"), finish_reason("stopped")] == [
        "stop",
        "length",
        "stopped",
    ]
