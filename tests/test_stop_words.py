"""How wires read providers' stop reasons, and arguments in unusual places, over the fake provider."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from perdure.activities.models.failures import AnswerAborted, ModelFailed, StreamTruncated
from perdure.activities.models.sse_events import SseEvent
from perdure.activities.models.stop_words import ending
from perdure.activities.models.wire import Answer, Delta
from perdure.activities.models.wires.anthropic_answer import ArrivingAnswer as ClaudeAnswer
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_chat_answer import ArrivingAnswer as ChatAnswer
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Message, StopReason, Text, ToolCall, ToolSpec

HELLO = (Message(id="m1", role="user", parts=(Text(text="hello"),), at=datetime(2026, 11, 1, tzinfo=UTC)),)
#: All arguments are optional.
PURGE = ToolSpec(name="purge", description="", input={"type": "object", "properties": {"what": {"type": "string"}}})
PING = ToolSpec(name="ping", description="", input={"type": "object", "properties": {}})
WHOLE = {"what": "A-1"}

RealWire = AnthropicMessages | OpenAIResponses | OpenAIChat


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.fixture(params=["anthropic", "openai", "openai-chat"])
async def wire(request: pytest.FixtureRequest, fake: FakeProvider) -> AsyncIterator[RealWire]:
    async for made in wire_of(request.param):
        yield made


@pytest.fixture
async def claude() -> AsyncIterator[RealWire]:
    async for made in wire_of("anthropic"):
        yield made


@pytest.fixture
async def chat() -> AsyncIterator[RealWire]:
    async for made in wire_of("openai-chat"):
        yield made


@pytest.fixture
async def responses() -> AsyncIterator[RealWire]:
    async for made in wire_of("openai"):
        yield made


async def wire_of(provider: str) -> AsyncIterator[RealWire]:
    made: RealWire
    match provider:
        case "anthropic":
            made = AnthropicMessages({}, partial(AsyncAnthropic, api_key="k"))
        case "openai":
            made = OpenAIResponses({"OPENAI_API_KEY": "k"})
        case _:
            made = OpenAIChat({"OPENAI_API_KEY": "k"})
    yield made
    await made.aclose()


async def play(wire: RealWire, fake: FakeProvider, reply: Reply) -> tuple[Answer, str]:
    """The answer, and the arguments as viewers saw them stream."""
    provider = {"anthropic.messages": "anthropic", "openai.responses": "openai", "openai.chat": "openai-chat"}[wire.api]
    url = fake.url if provider == "anthropic" else fake.chat_url
    prompt = Prompt(model=ModelDefinition(use=f"{provider}/m", base_url=url), system="", tools=(PURGE, PING))
    fake.script(reply)
    items = [item async for item in wire.stream(wire.request(prompt, HELLO), prompt, "t1.s1")]
    last = items[-1]
    assert isinstance(last, Answer)
    return last, "".join(item.text for item in items if isinstance(item, Delta) and item.kind == "tool_input")


async def answer(wire: RealWire, fake: FakeProvider, reply: Reply) -> Answer:
    return (await play(wire, fake, reply))[0]


def calls(answer: Answer) -> list[tuple[dict[str, Any], str | None]]:
    return [(part.args, part.args_raw) for part in answer.parts if isinstance(part, ToolCall)]


def call(args: dict[str, Any] | str = WHOLE, **fields: Any) -> Reply:
    return Reply(**{"text": "Well.", "tools": (("purge", args),)} | fields)


CHUNK: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def choice(word: str) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": "Well."}, "finish_reason": word}


CHAT_WORDS: list[tuple[str, StopReason]] = [
    *[(word, "tool_calls") for word in ("tool_calls", "tool_use", "STOP", "tool_call", "eos", "end_turn", "stop", "")],
    *[(word, "tool_calls") for word in ("function_calls", "stop_sequence", "something_new", "Tool_Use", "toolUse")],
    *[(word, "max_tokens") for word in ("length", "LENGTH", "MAX_TOKENS", "max_tokens", "max_output_tokens")],
    *[(word, "content_filter") for word in ("content_filter", "SAFETY", "recitation", "sensitive")],
    ("model_length", "context_window"),
    ("model_context_window_exceeded", "context_window"),
    ("refusal", "refusal"),
    ("pause_turn", "pause"),
]


@pytest.mark.parametrize(("word", "stop"), CHAT_WORDS)
async def test_a_whole_call_over_chat(fake: FakeProvider, chat: RealWire, word: str, stop: StopReason) -> None:
    told = await answer(chat, fake, call(stop=word))
    assert (told.stop, calls(told)) == (stop, [(WHOLE, None)])


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        *[(word, "tool_calls") for word in ("tool_use", "stop_sequence", "end_turn", "something_new")],
        ("max_tokens", "max_tokens"),
        ("model_context_window_exceeded", "context_window"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("length", "max_tokens"),
    ],
)
async def test_a_whole_call_over_anthropic(fake: FakeProvider, claude: RealWire, word: str, stop: StopReason) -> None:
    told = await answer(claude, fake, call(stop=word))
    assert (told.stop, calls(told)) == (stop, [(WHOLE, None)])


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("completed", "tool_calls"),
        ("max_output_tokens", "max_tokens"),
        ("content_filter", "content_filter"),
        # It said that it is incomplete, for an unknown reason.
        ("something_new", "other"),
        ("stop", "other"),
    ],
)
async def test_a_whole_call_over_responses(
    fake: FakeProvider, responses: RealWire, word: str, stop: StopReason
) -> None:
    told = await answer(responses, fake, call(stop=word))
    assert (told.stop, calls(told)) == (stop, [(WHOLE, None)])


@pytest.mark.parametrize(
    ("word", "stop", "raw"),
    [
        ("stop", "end", None),
        ("eos", "end", None),
        ("", "end", None),
        ("stop_sequence", "stop_sequence", None),
        ("length", "max_tokens", None),
        ("something_new", "other", "something_new"),
        ("x" * 1000, "other", "x" * 60),
    ],
)
async def test_a_text_over_chat(
    fake: FakeProvider, chat: RealWire, word: str, stop: StopReason, raw: str | None
) -> None:
    told = await answer(chat, fake, Reply(stop=word))
    assert (told.stop, told.stop_raw) == (stop, raw)


@pytest.mark.parametrize(
    "word", ["abort", "network_error", "insufficient_system_resource", "error", "ABORT", "Network-Error", "cancelled"]
)
@pytest.mark.parametrize("tools", [(), (("purge", WHOLE),)])
async def test_an_answer_that_was_given_up_is_tried_again(
    fake: FakeProvider, chat: RealWire, word: str, tools: tuple[tuple[str, dict[str, Any]], ...]
) -> None:
    with pytest.raises(ModelFailed, match=word) as caught:
        await answer(chat, fake, Reply(stop=word, tools=tools))
    assert (caught.value.failure.kind, caught.value.failure.retryable) == (errors.MODEL_ABORTED, True)


@pytest.mark.parametrize("word", ["failed", "cancelled"])
async def test_a_response_that_ended_as_failed_is_tried_again(
    fake: FakeProvider, responses: RealWire, word: str
) -> None:
    with pytest.raises(ModelFailed) as caught:
        await answer(responses, fake, Reply(stop=word))
    assert (caught.value.failure.kind, caught.value.failure.retryable) == (errors.MODEL_ABORTED, True)


CUT = {"anthropic.messages": "max_tokens", "openai.responses": "max_output_tokens", "openai.chat": "length"}


@pytest.mark.parametrize("written", ["", '{"wh', '{"what": "A-1"}'])
async def test_a_call_that_was_cut(fake: FakeProvider, wire: RealWire, written: str) -> None:
    told = await answer(wire, fake, call(written, stop=CUT[wire.api]))
    assert told.stop == "max_tokens"
    assert calls(told) == [(WHOLE, None) if written.endswith("}") else ({}, written)]


async def test_arguments_in_whole(fake: FakeProvider, wire: RealWire) -> None:
    told, seen = await play(wire, fake, call(arguments="whole"))
    assert json.loads(seen) == WHOLE
    assert (told.stop, calls(told)) == ("tool_calls", [(WHOLE, None)])


async def test_a_response_that_is_told_by_its_last_event_alone(fake: FakeProvider, responses: RealWire) -> None:
    told, seen = await play(responses, fake, call(arguments="last"))
    assert json.loads(seen) == WHOLE
    assert (told.stop, calls(told)) == ("tool_calls", [(WHOLE, None)])
    assert [part.text for part in told.parts if isinstance(part, Text)] == ["Well."]


async def test_arguments_of_which_nothing_came(fake: FakeProvider, wire: RealWire) -> None:
    """An error, except for a tool without required arguments, and only if the answer ended normally."""
    both: tuple[tuple[str, dict[str, Any]], ...] = (("purge", {}), ("ping", {}))
    told = await answer(wire, fake, Reply(tools=both, arguments="nowhere"))
    assert (told.stop, calls(told)) == ("tool_calls", [({}, ""), ({}, None)])
    told = await answer(wire, fake, Reply(tools=(("ping", {}),), arguments="nowhere", stop=CUT[wire.api]))
    assert (told.stop, calls(told)) == ("max_tokens", [({}, "")])


def chunk(word: str) -> SseEvent:
    return SseEvent("object", value=CHUNK | {"choices": [choice(word)]})


def test_a_later_word_does_not_make_whole_what_was_cut() -> None:
    for words in (("length", "stop"), ("stop", "length")):
        arriving = ChatAnswer("t1.s1", "m", ())
        for word in words:
            arriving.take(chunk(word))
        assert arriving.whole().stop == "max_tokens"


@pytest.mark.parametrize("word", ["null", "in_progress"])
def test_a_word_that_stands_in_every_chunk_says_nothing(word: str) -> None:
    arriving = ChatAnswer("t1.s1", "m", ())
    arriving.take(chunk(word))
    with pytest.raises(StreamTruncated):
        arriving.whole()
    arriving.take(chunk("stop"))
    assert arriving.whole().stop == "end"


@pytest.mark.parametrize("given", [WHOLE, json.dumps(WHOLE)])
@pytest.mark.parametrize("place", ["start", "fragment"])
def test_arguments_as_an_object_or_its_json_in_either_place(given: Any, place: str) -> None:
    block = {"type": "tool_use", "id": "a", "name": "purge", "input": given if place == "start" else {}}
    events: list[dict[str, Any]] = [{"type": "content_block_start", "index": 0, "content_block": block}]
    if place == "fragment":
        delta = {"type": "input_json_delta", "partial_json": given}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    events.append({"type": "content_block_stop", "index": 0})
    events.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}})
    events.append({"type": "message_stop"})
    arriving = ClaudeAnswer("t1.s1", "m", (PURGE,))
    for event in events:
        list(arriving.take(SseEvent("object", value=event)))
    assert calls(arriving.whole()) == [(WHOLE, None)]


async def test_anthropics_own_call_without_arguments(fake: FakeProvider, claude: RealWire) -> None:
    """For a call without arguments it sends an empty object in the block's start and an empty fragment."""
    told = await answer(claude, fake, call(""))
    assert (told.stop, calls(told)) == ("tool_calls", [({}, None)])
    told = await answer(claude, fake, call("", stop="something_new"))
    assert (told.stop, told.stop_raw, calls(told)) == ("other", "something_new", [({}, "")])


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        *[(word, "end") for word in ("FINISH_REASON_STOP", "<|im_end|>", "<|eot_id|>", "endoftext", "EndTurn")],
        ("FINISH_REASON_MAX_TOKENS", "max_tokens"),
        ("FINISH_REASON_SAFETY", "content_filter"),
        ("FINISH_REASON_UNSPECIFIED", "other"),
    ],
)
def test_a_text_under_words_of_other_servers(word: str, stop: StopReason) -> None:
    assert ending(word, (Text(text="Well."),), ()).stop == stop


def test_under_an_unknown_word_one_call_that_is_not_whole_spoils_the_others() -> None:
    good = ToolCall(call_id="t1.s1.c1", name="purge", args=WHOLE)
    half = ToolCall(call_id="t1.s1.c2", name="purge", args={}, args_raw='{"wh')
    assert ending("odd", (good,), (PURGE,)).stop == "tool_calls"
    assert ending("odd", (good, half), (PURGE,)).stop == "other"
    assert ending("tool_calls", (good, half), (PURGE,)).stop == "tool_calls"
    with pytest.raises(AnswerAborted):
        ending("Abort", (good,), ())
