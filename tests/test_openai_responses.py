import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from pydantic import JsonValue

from perdure.activities.models.call_ids import made_id
from perdure.activities.models.clients import PLACEHOLDER_KEY
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.provider_turns import Asked, Media, Result, UserTurn
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.activities.models.wires.openai_responses_input import items
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.app.fakes.responses import encrypted
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import PLAIN, Dialect, FilesDialect
from perdure.workflows.definition.providers.openai import OPENAI
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import (
    Message,
    Native,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)

API = "openai.responses"
TOOL = ToolSpec(name="find_order", description="Finds.", input={"type": "object", "properties": {}})
STRICT = {**TOOL.input, "required": [], "additionalProperties": False}


def message(role: Role, *parts: Part, stopped: bool | None = None) -> Message:
    return Message(id="m", role=role, parts=parts, at=datetime(2026, 11, 1, tzinfo=UTC), stopped=stopped)


def user(text: str) -> Message:
    return message("user", Text(text=text))


def said(text: str, item_id: str = "msg_1_0") -> dict[str, JsonValue]:
    content: JsonValue = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": content}


def function(item_id: str, call_id: str, arguments: str) -> dict[str, JsonValue]:
    item: dict[str, JsonValue] = {"id": item_id, "type": "function_call", "status": "completed"}
    return item | {"call_id": call_id, "name": "find_order", "arguments": arguments}


def thought(item_id: str, *sections: str) -> Reasoning:
    block: dict[str, JsonValue] = {"id": item_id, "type": "reasoning"}
    block["summary"] = [{"type": "summary_text", "text": section} for section in sections]
    block["encrypted_content"] = encrypted(item_id, "\n\n".join(sections))
    return Reasoning(text="\n\n".join(sections), native=Native(api=API, block=block))


def body(*messages: Message, **model: Any) -> Any:
    prompt = Prompt(model=ModelDefinition(**{"use": "openai/gpt-6-sol"} | model), system="Be brief.", tools=(TOOL,))
    return OpenAIResponses({}).request(prompt, messages)


def test_the_whole_body() -> None:
    assert body(user("a"), message("assistant", Text(text="b")), user("c"), thinking="low", max_output_tokens=99) == {
        "model": "gpt-6-sol",
        "max_output_tokens": 99,
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "instructions": "Be brief.",
        "tools": [
            {
                "type": "function",
                "name": "find_order",
                "description": "Finds.",
                "parameters": STRICT,
                "strict": True,
            }
        ],
        "reasoning": {"effort": "low", "summary": "auto"},
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "b", "annotations": []}],
            },
            {"role": "user", "content": [{"type": "input_text", "text": "c"}]},
        ],
    }
    # What a model does by itself is turned off, or down to the least.
    assert body(user("a"))["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body(user("a"), use="openai/gpt-5.1")["reasoning"] == {"effort": "none"}
    assert "reasoning" not in body(user("a"), use="openai/gpt-4.1")


def test_own_items_go_back_verbatim_and_foreign_ones_do_not() -> None:
    own = function("fc_1_2", "call_1", '{ "id": 1 }')
    broken = function("fc_1_3", "call_2", "{broken")
    foreign = Native(api="anthropic.messages", block={"type": "tool_use", "id": "toolu_3"})
    alien = Reasoning(text="hm", native=Native(api="anthropic.messages", block={"type": "thinking"}))
    spoken = said("I look.")
    answer = message(
        "assistant",
        thought("rs_1_0", "Hmm."),
        alien,
        Text(text="I look.", native=Native(api=API, block=spoken)),
        ToolCall(call_id="t1.s1.c1", name="find_order", args={"id": 1}, native=Native(api=API, block=own)),
        ToolCall(
            call_id="t1.s1.c2",
            name="find_order",
            args={},
            args_raw="{broken",
            native=Native(api=API, block=broken),
        ),
        ToolCall(call_id="t1.s1.c3", name="find_order", args={"id": "ü"}, native=foreign),
    )
    results = message(
        "tool",
        ToolResult(call_id="t1.s1.c3", name="find_order", output={"a": 1}),
        ToolResult(call_id="t1.s1.c2", name="find_order", output="bad", is_error=True),
    )
    reasoning = thought("rs_1_0", "Hmm.").native
    assert reasoning is not None
    assert body(user("go"), answer, results, user("and?"))["input"][1:] == [
        reasoning.block,
        spoken,
        own,
        broken | {"arguments": "{}"},
        {"type": "function_call", "name": "find_order", "call_id": made_id("t1.s1.c3"), "arguments": '{"id":"ü"}'},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": 'Error: {"type":"stopped","message":"This call was stopped before it had a result.",'
            '"retryable":false}',
        },
        {"type": "function_call_output", "call_id": "call_2", "output": "Error: bad"},
        {"type": "function_call_output", "call_id": made_id("t1.s1.c3"), "output": '{"a":1}'},
        {"role": "user", "content": [{"type": "input_text", "text": "and?"}]},
    ]


def test_a_server_that_repeats_its_call_ids() -> None:
    def same(step: int) -> Message:
        native = Native(api=API, block=function(f"fc_{step}", "call_0", "{}"))
        return message("assistant", ToolCall(call_id=f"t1.s{step}.c1", name="find_order", args={}, native=native))

    items = body(user("go"), same(1), same(2))["input"]
    assert [item["call_id"] for item in items if "call_id" in item] == [
        "call_0",
        "call_0",
        made_id("t1.s2.c1"),
        made_id("t1.s2.c1"),
    ]


def test_reasoning_goes_back_only_with_what_it_led_to() -> None:
    cut = message("assistant", thought("rs_1_0", "Hm"))
    foreign = message("assistant", thought("rs_2_0", "Hm"), Text(text="So."))
    stopped = message("assistant", thought("rs_3_0", "Hm"), Text(text="I was"), stopped=True)
    items = body(user("a"), cut, user("b"), foreign, user("c"), stopped, user("d"))["input"]
    assert [item.get("role") for item in items] == ["user", "user", "assistant", "user", "assistant", "user"]


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.fixture
async def wire(fake: FakeProvider) -> AsyncIterator[OpenAIResponses]:
    made = OpenAIResponses({"OPENAI_BASE_URL": fake.chat_url})
    yield made
    await made.aclose()


PROMPT = Prompt(model=ModelDefinition(use="openai/gpt-6-sol", thinking="low"), system="", tools=(TOOL,))
QUIET = PROMPT.model_copy(update={"model": ModelDefinition(use="openai/gpt-6-sol")})


async def play(wire: OpenAIResponses, *messages: Message, prompt: Prompt = PROMPT) -> list[Started | Delta | Answer]:
    return [item async for item in wire.stream(wire.request(prompt, messages), prompt, "t1.s1")]


async def answer(wire: OpenAIResponses, prompt: Prompt = PROMPT) -> Answer:
    last = (await play(wire, user("go"), prompt=prompt))[-1]
    assert isinstance(last, Answer)
    return last


async def test_a_whole_stream(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(
        Reply(
            reasoning="Let me\n\nlook.",
            text="I look.",
            tools=(("find_order", {"id": 1}), ("find_order", "[1]"), ("find_order", "")),
            input_tokens=100,
            cached_tokens=80,
            output_tokens=20,
            reasoning_tokens=3,
        )
    )
    items = await play(wire, user("go"))
    assert items[:-1] == [
        Started(Usage()),
        Delta(0, "reasoning", "Let "),
        Delta(0, "reasoning", "me"),
        Delta(0, "reasoning", "\n\nlook."),
        Delta(1, "text", "I "),
        Delta(1, "text", "look."),
        Delta(2, "tool_input", "", "find_order"),
        Delta(2, "tool_input", '{"id": 1'),
        Delta(2, "tool_input", "}"),
        Delta(3, "tool_input", "", "find_order"),
        Delta(3, "tool_input", "[1]"),
        Delta(4, "tool_input", "", "find_order"),
    ]
    first, second = function("fc_1_2", "call_1", '{"id": 1}'), function("fc_1_3", "call_2", "[1]")
    third = function("fc_1_4", "call_3", "")
    assert items[-1] == Answer(
        parts=(
            thought("rs_1_0", "Let me", "look."),
            Text(text="I look.", native=Native(api=API, block=said("I look.", "msg_1_1r"))),
            ToolCall(call_id="t1.s1.c1", name="find_order", args={"id": 1}, native=Native(api=API, block=first)),
            ToolCall(
                call_id="t1.s1.c2", name="find_order", args={}, args_raw="[1]", native=Native(api=API, block=second)
            ),
            ToolCall(call_id="t1.s1.c3", name="find_order", args={}, native=Native(api=API, block=third)),
        ),
        model="gpt-6-sol",
        usage=Usage(input_tokens=100, cached_tokens=80, output_tokens=20, reasoning_tokens=3),
        stop="tool_calls",
    )
    assert fake.calls[0].body == wire.request(PROMPT, (user("go"),))
    assert fake.calls[0].headers["authorization"] == f"Bearer {PLACEHOLDER_KEY}"
    assert fake.calls[0].whole


async def test_its_own_answer_goes_back_and_is_taken(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(Reply(reasoning="Let me look.", text="", tools=(("find_order", {"id": 1}),)), Reply(text="There."))
    asked = await answer(wire)
    result = message("tool", ToolResult(call_id="t1.s1.c1", name="find_order", output="found"))
    await play(wire, user("go"), message("assistant", *asked.parts), result)
    sent = fake.calls[1].body["input"]
    assert [item.get("type") for item in sent] == [None, "reasoning", "function_call", "function_call_output"]
    assert sent[1]["encrypted_content"] == encrypted("rs_1_0", "Let me look.")
    assert len(fake.calls) == 2


async def test_reasoning_that_nobody_is_told_is_kept_in_its_place(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(Reply(reasoning="A secret.", text="Well."))
    items = await play(wire, user("go"), prompt=QUIET)
    assert items[1:-1] == [Delta(1, "text", "Well.")]
    last = items[-1]
    assert isinstance(last, Answer)
    assert last.parts == (
        thought("rs_1_0"),
        Text(text="Well.", native=Native(api=API, block=said("Well.", "msg_1_1r"))),
    )


async def test_reasoning_in_the_open_is_for_people(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(Reply(reasoning="Let me\n\nsee.", reasoning_key="reasoning_text", text="Well."))
    items = await play(wire, user("go"))
    assert [item.text for item in items if isinstance(item, Delta)] == ["Let ", "me", "\n\nsee.", "Well."]
    last = items[-1]
    assert isinstance(last, Answer)
    content: JsonValue = [{"type": "reasoning_text", "text": text} for text in ("Let me", "see.")]
    block: dict[str, JsonValue] = {"id": "rs_1_0", "type": "reasoning", "summary": [], "content": content}
    assert last.parts[0] == Reasoning(text="Let me\n\nsee.", native=Native(api=API, block=block))


def test_reasoning_in_the_open_goes_back_where_it_can_be_read() -> None:
    content: JsonValue = [{"type": "reasoning_text", "text": "Let me see."}]
    block: dict[str, JsonValue] = {"id": "rs_1_0", "type": "reasoning", "summary": [], "content": content}
    spoken = Text(text="Well.", native=Native(api=API, block=said("Well.")))
    told = message("assistant", Reasoning(text="Let me see.", native=Native(api=API, block=block)), spoken)
    assert body(user("a"), told, user("b"), base_url="http://localhost:8000/v1")["input"][1:3] == [block, said("Well.")]
    # Without an encrypted form, OpenAI would look for it among what it stored.
    assert body(user("a"), told, user("b"))["input"][1] == said("Well.")


async def test_servers_that_leave_things_out(fake: FakeProvider, wire: OpenAIResponses) -> None:
    whole = Reply(reasoning="Let me", text="I look.", tools=(("find_order", {"id": 1}), ("find_order", {"id": 2})))
    fake.script(whole, replace(whole, usage="bare"), replace(whole, usage="none"))
    full, bare, none = [await play(wire, user("go")) for _ in range(3)]
    assert full[:-1] == bare[:-1] == none[:-1]
    first, second, third = (items[-1] for items in (full, bare, none))
    assert isinstance(first, Answer) and isinstance(second, Answer) and isinstance(third, Answer)
    assert first.parts == second.parts == third.parts
    assert (second.usage, third.usage) == (Usage(input_tokens=10, output_tokens=5), Usage())


async def test_how_answers_end(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(
        Reply(stop="max_output_tokens"),
        Reply(text="", stop="max_output_tokens"),
        Reply(stop="content_filter"),
        Reply(refusal="I must not."),
    )
    cut = await answer(wire)
    assert (cut.stop, len(cut.parts)) == ("max_tokens", 1)
    assert (await answer(wire)).parts == ()
    assert (await answer(wire)).stop == "content_filter"
    refused = await answer(wire)
    (part,) = refused.parts
    assert (isinstance(part, Text) and part.text, refused.stop) == ("I must not.", "refusal")


async def test_a_response_that_fails_is_an_error(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(Reply(fault="failed"))
    with pytest.raises(ModelFailed) as caught:
        await play(wire, user("go"))
    assert (caught.value.failure.kind, caught.value.failure.retryable) == (errors.MODEL_SERVER_ERROR, True)
    assert "The server had an error" in caught.value.failure.message
    assert caught.value.failure.provider == "openai"


async def test_reasoning_of_another_key_is_left_out_once(fake: FakeProvider, wire: OpenAIResponses) -> None:
    refusal = Reply(status=400, error="invalid_encrypted_content", message="It could not be verified.")
    reply = Text(text="b", native=Native(api=API, block=said("b", "msg_1_1r")))
    history = (user("a"), message("assistant", thought("rs_1_0", "Hm"), reply), user("c"))
    fake.script(refusal, Reply(text="fine"), refusal, refusal)
    assert isinstance((await play(wire, *history))[-1], Answer)
    bare = fake.calls[1].body
    assert [item.get("type") for item in bare["input"]] == [None, "message", None]
    assert "id" not in bare["input"][1]
    assert "include" not in bare
    with pytest.raises(ModelFailed) as caught:
        await play(wire, *history)
    assert (caught.value.failure.kind, len(fake.calls)) == (errors.MODEL_INVALID_REQUEST, 4)


async def test_closing_early_closes_the_stream_at_once(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(Reply(text="one two three", gap=60))
    async with aclosing(wire.stream(wire.request(PROMPT, (user("go"),)), PROMPT, "t1.s1")) as items:
        async for item in items:
            if isinstance(item, Delta):
                break
    async with asyncio.timeout(1):
        await fake.until(lambda calls: calls[0].closed_at is not None)


async def test_cancelling_closes_the_stream_at_once(fake: FakeProvider, wire: OpenAIResponses) -> None:
    fake.script(Reply(text="one two three", gap=60))
    task = asyncio.create_task(play(wire, user("go")))
    await fake.until(lambda calls: bool(calls) and len(calls[0].tokens) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await fake.until(lambda calls: calls[0].closed_at is not None)


async def test_one_connection_serves_many_steps(fake: FakeProvider, wire: OpenAIResponses) -> None:
    for _ in range(3):
        await play(wire, user("go"))
    assert fake.connections == 1


async def test_without_a_key_it_says_which() -> None:
    wire = OpenAIResponses({})
    with pytest.raises(ModelFailed, match="OPENAI_API_KEY") as caught:
        await play(wire, user("go"))
    await wire.aclose()
    assert (caught.value.failure.kind, caught.value.failure.retryable) == (errors.MODEL_NO_KEY, False)


TAKES = Dialect(
    files=FilesDialect(
        images=frozenset(("image/png",)),
        documents=frozenset(("application/pdf",)),
        audio=frozenset(("audio/mpeg",)),
        in_results=True,
    )
)
PICTURE = Media("image", "image/png", "cat.png", data="iVBORw0KGgo=")
PAPER = Media("document", "application/pdf", "a.pdf", data="JVBERi0=")
SOUND = Media("audio", "audio/mpeg", "a.mp3", data="SUQz")
LINKED = Media("image", "image/png", "cat.png", url="https://example.com/cat.png")
MOVIE = Media("image", "image/tiff", "old.tiff", data="SUkq")
IMAGE_PART = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}
FILE_PART = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
SOUND_PART = {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}}


def shown(turn: UserTurn, dialect: Dialect) -> Any:
    return items([turn], Asked(API, "openai", dialect))


def test_media_in_what_a_person_says() -> None:
    (said_,) = shown(UserTurn((), (Text(text="See:"), PICTURE, LINKED, PAPER, SOUND, MOVIE)), TAKES)
    assert said_["content"] == [
        {"type": "input_text", "text": "See:"},
        IMAGE_PART,
        {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "auto"},
        FILE_PART,
        SOUND_PART,
        {"type": "input_text", "text": "[image old.tiff (image/tiff)]"},
    ]
    (plain,) = shown(UserTurn((), (PICTURE,)), PLAIN)
    assert plain["content"] == [{"type": "input_text", "text": "[image cat.png (image/png)]"}]


def test_media_in_results() -> None:
    turn = UserTurn((Result("c1", (Text(text="Here."), PICTURE, SOUND), is_error=True),), (Text(text="So?"),))
    output, said_ = shown(turn, TAKES)
    assert output["output"] == [
        {"type": "input_text", "text": "Error:"},
        {"type": "input_text", "text": "Here."},
        IMAGE_PART,
        {"type": "input_text", "text": "[audio a.mp3 (audio/mpeg)]"},
    ]
    assert said_["content"][1:] == [SOUND_PART, {"type": "input_text", "text": "So?"}]


def test_media_behind_results_where_these_hold_only_text() -> None:
    dialect = replace(TAKES, files=replace(TAKES.files, in_results=False))
    output, said_ = shown(UserTurn((Result("c1", (PICTURE,), is_error=False),), ()), dialect)
    assert output["output"] == "[image cat.png (image/png)]"
    assert said_["content"] == [{"type": "input_text", "text": "[From the result of the call c1:]"}, IMAGE_PART]


@pytest.mark.parametrize("role", ["system", "developer", "user"])
def test_instructions_as_a_message(
    monkeypatch: pytest.MonkeyPatch, role: Literal["system", "developer", "user"]
) -> None:
    monkeypatch.setitem(PROVIDERS, "openai", replace(OPENAI, dialect=replace(OPENAI.dialect, instructions=role)))
    prompt = Prompt(model=ModelDefinition(use="openai/m"), system="Be brief.", tools=())
    sent: Any = OpenAIResponses({}, provider=PROVIDERS["openai"]).request(prompt, (user("a"),))
    assert "instructions" not in sent
    assert sent["input"][0] == {"role": role, "content": "Be brief."}


def test_parameters_and_extra() -> None:
    sent = body(
        user("a"),
        use="openai/gpt-4.1",
        params={"temperature": 0.5, "stop": ["x"], "service_tier": "flex", "parallel_tool_calls": False},
        extra={"truncation": "auto", "include": None},
    )
    assert (sent["temperature"], sent["service_tier"], sent["parallel_tool_calls"]) == (0.5, "flex", False)
    assert sent["truncation"] == "auto"
    assert not {"include", "stop"} & sent.keys()
