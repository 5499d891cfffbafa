import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image
from pydantic import JsonValue

from perdure.activities.models.demo.arguments import arguments, expression
from perdure.activities.models.demo.files import described
from perdure.activities.models.demo.script import Say, script
from perdure.activities.models.demo.wire import Demo
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.workflows.definition import ask_user
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.title import PROMPT as NAME_IT
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import (
    Message,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolError,
    ToolResult,
    ToolSpec,
    Usage,
)
from tests.support.pictures import saved


def spec(name: str, required: tuple[str, ...] = (), **properties: dict[str, JsonValue]) -> ToolSpec:
    schema: dict[str, JsonValue] = {"type": "object", "properties": dict(properties), "required": list(required)}
    return ToolSpec(name=name, description=name, input=schema)


STRING: dict[str, JsonValue] = {"type": "string"}
TOOLS = (
    spec("current_time", timezone=STRING | {"default": "UTC"}),
    spec("calculator", ("expression",), expression=STRING),
    spec("fetch_url", ("url",), url=STRING),
    spec("find_order", ("order_id",), order_id=STRING),
    spec(
        "issue_refund",
        ("order_id", "amount", "reason"),
        order_id=STRING,
        amount={"type": "number"},
        reason={"type": "string", "enum": ["late", "broken"]},
    ),
    ToolSpec(name=ask_user.NAME, description=ask_user.DESCRIPTION, input=ask_user.INPUT),
)
PROMPT = Prompt(model=ModelDefinition(use="demo/demo"), system="Be kind.", tools=TOOLS)


def message(role: Role, *parts: Any) -> Message:
    return Message(id="m", role=role, parts=parts, at=datetime(2026, 11, 1, tzinfo=UTC))


def conversation(*said: str) -> tuple[Message, ...]:
    """The user's messages; each but the last is followed by an answer."""
    turns = [[message("user", Text(text=text)), message("assistant", Text(text="Fine."))] for text in said]
    return tuple(each for turn in turns for each in turn)[:-1]


async def play(*messages: Message, attempt: int = 1, prompt: Prompt = PROMPT) -> list[Started | Delta | Answer]:
    demo = Demo(pace=0, attempt=lambda: attempt)
    return [item async for item in demo.stream(demo.request(prompt, messages), prompt, "t7.s2")]


async def answer(*messages: Message, attempt: int = 1) -> Answer:
    last = (await play(*messages, attempt=attempt))[-1]
    assert isinstance(last, Answer)
    return last


async def says(*said: str, attempt: int = 1) -> str:
    parts = (await answer(*conversation(*said), attempt=attempt)).parts
    assert [part.type for part in parts] == ["reasoning", "text"]
    assert isinstance(parts[1], Text)
    return parts[1].text


async def calls(text: str) -> dict[str, dict[str, JsonValue]]:
    given = await answer(*conversation(text))
    assert given.stop == "tool_calls"
    made = [part for part in given.parts if isinstance(part, ToolCall)]
    assert [call.call_id for call in made] == [f"t7.s2.c{n}" for n in range(1, len(made) + 1)]
    return {call.name: call.args for call in made}


async def test_deltas_add_up_to_the_answer() -> None:
    for text in ("Tell me something.", "What time is it, and what is 2+3*4?"):
        items = await play(*conversation(text))
        assert items == await play(*conversation(text))
        given = items[-1]
        assert isinstance(given, Answer)
        deltas = [item for item in items if isinstance(item, Delta)]
        joined = {part: "".join(d.text for d in deltas if d.part == part) for part in range(len(given.parts))}
        for index, part in enumerate(given.parts):
            if isinstance(part, Text | Reasoning):
                assert joined[index] == part.text
            elif isinstance(part, ToolCall):
                assert next(d.tool_name for d in deltas if d.part == index) == part.name
                assert joined[index].startswith("{")
        assert isinstance(items[0], Started)
        assert items[0].usage.input_tokens == given.usage.input_tokens > 0
        assert given.usage.output_tokens > given.usage.reasoning_tokens > 0
        assert given.model == "demo/demo"


async def test_the_default_answer() -> None:
    text = await says("I like rye bread.", "What now?")
    assert 50 <= len(text.split()) <= 100
    assert "demo model" in text
    assert "message 3" in text
    assert "I like rye bread." in text


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (("My name is Ada.", "What is my name?"), "Your name is Ada."),
        (("Remember the number 7421.", "Nice weather.", "Which number did I tell you?"), "Remember the number 7421."),
        (("alpha", "beta", "What did I say?"), "“alpha”, then “beta”"),
        (("My favourite colour is teal", "What's my favourite colour?"), "My favourite colour is teal"),
        (("Please remember the word rhubarb",), "I will remember it"),
        (("Hello, my name is Grace",), "Nice to meet you, Grace."),
    ],
)
async def test_it_remembers(said: tuple[str, ...], wanted: str) -> None:
    assert wanted in await says(*said)


@pytest.mark.parametrize("text", ["Tell me a long story", "Write an essay about tea.", "a poem, please", "slowly!"])
async def test_long_answers(text: str) -> None:
    assert len((await says(text)).split()) >= 400


async def test_it_counts() -> None:
    assert await says("Count to 5") == "1, 2, 3, 4, 5."
    assert (await says(f"count to {'9' * 5000}")).endswith("5000. That is as far as I go.")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What time is it?", {"current_time": {}}),
        ("what's the date in Europe/Berlin", {"current_time": {"timezone": "Europe/Berlin"}}),
        ("2+3*4", {"calculator": {"expression": "2+3*4"}}),
        ("What is 12 times 7?", {"calculator": {"expression": "12 * 7"}}),
        ("Read https://example.com/a?b=1.", {"fetch_url": {"url": "https://example.com/a?b=1"}}),
        ("Where is my order A-1001?", {"find_order": {"order_id": "A-1001"}}),
        (
            "Please refund order A-1001, $120, it arrived broken",
            {"issue_refund": {"order_id": "A-1001", "amount": 120, "reason": "broken"}},
        ),
        ("Where is A-1001? Please find the order.", {"find_order": {"order_id": "A-1001"}}),
        (
            "find_order A-1001 and issue a refund of 12.50 for A-1001, it came broken",
            {
                "find_order": {"order_id": "A-1001"},
                "issue_refund": {"order_id": "A-1001", "amount": 12.5, "reason": "broken"},
            },
        ),
        (
            "Use current_time and calculator for (1 + 2) * 3",
            {"current_time": {}, "calculator": {"expression": "(1 + 2) * 3"}},
        ),
        ("Ask me which colour I like.", {"ask_user": {"prompt": "which colour I like"}}),
        ("Ask the user for a name", {"ask_user": {"prompt": "name"}}),
    ],
)
async def test_it_calls_tools(text: str, wanted: dict[str, JsonValue]) -> None:
    assert await calls(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["Once upon a time", "I was born on 2001-02-03", "Is A-1001 a nice number?", "You may ask me anything."],
)
async def test_it_calls_no_tool_without_need(text: str) -> None:
    assert text in await says(text)


async def test_it_reports_what_tools_gave() -> None:
    def ended(*results: ToolResult) -> tuple[Message, ...]:
        asked = [ToolCall(call_id=each.call_id, name=each.name, args={}) for each in results]
        return (*conversation("go"), message("assistant", *asked), *(message("tool", each) for each in results))

    failed = ToolError(type="not_found", message="no order A-1").model_dump()
    given = await answer(
        *ended(
            ToolResult(call_id="c1", name="find_order", output={"status": "shipped", "item_count": 2}),
            ToolResult(call_id="c2", name="calculator", output=None),
            ToolResult(call_id="c3", name="issue_refund", output=failed, is_error=True),
        )
    )
    assert given.stop == "end"
    assert given.parts[-1] == Text(
        text="find_order says: status: shipped, item count: 2\n\ncalculator says: nothing\n\n"
        "issue_refund failed (not_found): no order A-1"
    )


@pytest.mark.parametrize(
    ("kind", "error", "retry"),
    [
        ("429", errors.MODEL_RATE_LIMITED, True),
        ("529", errors.MODEL_OVERLOADED, True),
        ("500", errors.MODEL_SERVER_ERROR, True),
        ("cut", errors.MODEL_STREAM_TRUNCATED, True),
        ("event", errors.MODEL_OVERLOADED, True),
        ("timeout", errors.MODEL_TIMEOUT, True),
        ("connection", errors.MODEL_CONNECTION, True),
        ("auth", errors.MODEL_AUTH, False),
        ("quota", errors.MODEL_QUOTA, False),
        ("context", errors.MODEL_CONTEXT_LENGTH, False),
    ],
)
async def test_it_fails_on_request(kind: str, error: str, retry: bool) -> None:
    for attempt in (1, 2):
        with pytest.raises(ModelFailed) as caught:
            await says(f"/fail {kind} please", attempt=attempt)
        assert (caught.value.failure.kind, caught.value.failure.retryable) == (error, retry)
        assert caught.value.failure.retry_after == (timedelta(seconds=1) if kind == "429" else None)


@pytest.mark.parametrize("text", ["/fail once", "Hello /fail 529 once", "/fail cut once count to 3"])
async def test_it_fails_once(text: str) -> None:
    with pytest.raises(ModelFailed):
        await says(text, attempt=1)
    assert "this is attempt 2" in await says(text, attempt=2)


async def test_a_cut_comes_in_mid_answer() -> None:
    demo = Demo(pace=0, attempt=lambda: 1)
    seen: list[Started | Delta | Answer] = []

    async def watch() -> None:
        async for item in demo.stream(demo.request(PROMPT, conversation("/fail cut")), PROMPT, "t7.s2"):
            seen.append(item)

    with pytest.raises(ModelFailed):
        await watch()
    assert any(isinstance(item, Delta) and item.kind == "text" for item in seen)
    assert not any(isinstance(item, Answer) for item in seen)


async def test_a_failure_that_it_does_not_know() -> None:
    assert "“/fail 529 once”" in await says("/fail gloriously")


@pytest.mark.parametrize("text", ["(" * 1_000_000, "1+" * 500_000, "a-" * 500_000, '"' * 1_000_001, "about " * 99_999])
async def test_hostile_text_keeps_nobody_waiting(text: str) -> None:
    async with asyncio.timeout(5):
        assert (await answer(message("user", Text(text=text)))).parts


async def test_a_schema_that_contains_itself() -> None:
    node: dict[str, JsonValue] = {"$ref": "#/$defs/Node"}
    inner: dict[str, JsonValue] = {"type": "object", "properties": {"next": node}, "required": ["next"]}
    whole = inner | {"$defs": {"Node": inner}}
    assert arguments(whole, "go", "walk") == {"next": {"next": {"next": {"next": {"next": {}}}}}}


async def test_nothing_at_all() -> None:
    assert (await answer()).stop == "end"
    assert (await answer(message("user"))).usage != Usage()


def test_arguments_from_any_schema() -> None:
    schema: dict[str, JsonValue] = {
        "type": "object",
        "$defs": {
            "Size": {"enum": ["small", "large"]},
            "To": {"type": "object", "properties": {"city": STRING}, "required": ["city"]},
        },
        "properties": {
            "size": {"$ref": "#/$defs/Size"},
            "count": {"type": "integer"},
            "title": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "tags": {"type": "array", "items": STRING},
            "to": {"$ref": "#/$defs/To"},
            "gift": {"type": "boolean"},
            "kind": {"const": "box"},
            "loop": {"$ref": "#/properties/loop"},
            "note": STRING,
        },
        "required": ["size", "count", "title", "tags", "to", "gift", "kind", "loop"],
    }
    assert arguments(schema, 'send box: 3 large ones, "Fragile", "blue", to Bonn', "send_box") == {
        "size": "large",
        "count": 3,
        "title": "Fragile",
        "tags": ["blue"],
        "to": {"city": "Bonn"},
        "gift": True,
        "kind": "box",
        "loop": '3 large ones, "Fragile", "blue", to Bonn',
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [("2^3 ÷ 4", "2**3 / 4"), ("it is 2026-11-05", None), ("between 3 and 4", None), ("-(1+2) x 3", "-(1+2) * 3")],
)
def test_sums_in_text(text: str, found: str | None) -> None:
    assert expression(text) == found


def test_the_colour_that_a_picture_mostly_has_is_one_of_its_own() -> None:
    """White and blue would mix to something else."""
    drawn = Image.new("RGB", (40, 20), (240, 240, 240))
    drawn.paste((30, 120, 200), (0, 0, 15, 20))
    data = saved(drawn, "PNG")
    file = {"name": "ball.png", "media_type": "image/png", "data": base64.b64encode(data).decode()}
    assert described([file]) == (
        f"I see “ball.png”, a picture of 40 × 20 pixels, mostly white (image/png, {len(data)} bytes)."
    )


def test_it_names_a_conversation_by_its_first_words() -> None:
    told = "<conversation>\nUser: when do my roses bloom, and why?\n\nAgent: In June.\n</conversation>"
    messages = [{"role": "user", "parts": [{"type": "text", "text": text}]} for text in (told, NAME_IT)]
    said = script({"system": "", "tools": [], "messages": messages})
    assert isinstance(said, Say)
    assert said.text == "When do my roses bloom, and"
