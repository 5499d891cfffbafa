"""Answers of servers that speak OpenAI Responses in their own way, from raw bytes to parts, by the real SDK."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Message, Reasoning, StopReason, Text, ToolCall, ToolSpec, Usage
from tests.support.body_server import JSON, Body, BodyServer, body_server

TOOL = ToolSpec(
    name="purge", description="Purges.", input={"type": "object", "properties": {"before": {"type": "string"}}}
)
CLOCK = ToolSpec(name="clock", description="Tells.", input={"type": "object", "properties": {}})
AT = datetime(2026, 11, 1, tzinfo=UTC)
USER = Message(id="m", role="user", parts=(Text(text="go"),), at=AT)
WHOLE = '{"before": "2020"}'
ARGS = {"before": "2020"}
Event = dict[str, Any]


def stream(*events: Event) -> bytes:
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)


def end(*output: Event, kind: str = "completed", **more: Any) -> Event:
    return {"type": f"response.{kind}", "response": {"status": kind, "model": "m", "output": [*output], **more}}


def call(arguments: Any = WHOLE, **more: Any) -> Event:
    ids = {"id": "fc_1", "call_id": "call_1"}
    item = {"type": "function_call", **ids, "name": "purge", "arguments": arguments, **more}
    return {name: value for name, value in item.items() if value is not ...}


def said(text: str, **more: Any) -> Event:
    return {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": text}], **more}


def thought(**more: Any) -> Event:
    return {"type": "reasoning", "id": "rs_1", **more}


def added(item: Event, **more: Any) -> Event:
    return {"type": "response.output_item.added", "item": item, **more}


def done(item: Event, **more: Any) -> Event:
    return {"type": "response.output_item.done", "item": item, **more}


def delta(name: str, text: Any, **more: Any) -> Event:
    return {"type": f"response.{name}.delta", "delta": text, **more}


@pytest.fixture
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture
async def wire() -> AsyncIterator[OpenAIResponses]:
    made = OpenAIResponses({})
    yield made
    await made.aclose()


def prompt(server: BodyServer) -> Prompt:
    return Prompt(model=ModelDefinition(use="openai/m", base_url=f"{server.url}/v1"), system="", tools=(TOOL, CLOCK))


async def play(wire: OpenAIResponses, server: BodyServer, body: Body | bytes) -> list[Started | Delta | Answer]:
    server.give(body)
    asked = prompt(server)
    return [item async for item in wire.stream(wire.request(asked, (USER,)), asked, "t1.s1")]


async def answered(wire: OpenAIResponses, server: BodyServer, *events: Event) -> Answer:
    last = (await play(wire, server, stream(*events)))[-1]
    assert isinstance(last, Answer)
    return last


async def failure(wire: OpenAIResponses, server: BodyServer, body: Body | bytes) -> ModelFailure:
    with pytest.raises(ModelFailed) as caught:
        await play(wire, server, body)
    return caught.value.failure


def shown(answer: Answer) -> list[Any]:
    """Its parts in short."""
    return [
        (part.name, part.args if part.args_raw is None else part.args_raw)
        if isinstance(part, ToolCall)
        else part.text
        if isinstance(part, Text)
        else f"({part.text})"
        if isinstance(part, Reasoning)
        else part
        for part in answer.parts
    ]


FRAGMENTS = ('{"before"', ': "2020"}')
_IN = {"output_index": 0, "item_id": "fc_1"}
COMPLETE = (
    pytest.param((end(call()),), id="only in the end"),
    pytest.param((done(call()), end()), id="only complete"),
    pytest.param((done(call()), end(call())), id="complete, and in the end"),
    pytest.param((done(call()), done(call()), end(call())), id="complete twice"),
    pytest.param((done(call(id=...)), end(call(id="other"))), id="complete, and in the end with another id"),
    pytest.param((done(call()), end(call(arguments='{"before":"2020"}'))), id="in the end in other words"),
    pytest.param((added(call(""), output_index=0), done(call(""), output_index=0), end(call())), id="complete last"),
    pytest.param((added(call()), end()), id="only announced"),
    pytest.param((done(call(ARGS)), end()), id="as an object"),
    pytest.param((done(call(..., input=ARGS)), end()), id="as the input"),
    pytest.param((done(call({}, parameters=WHOLE)), end(call("{}"))), id="as parameters beside an empty object"),
    pytest.param((added(call({})), delta("function_call_arguments", ARGS), end()), id="an object as a fragment"),
    pytest.param(
        (
            added(call("{}"), output_index=0),
            *(delta("function_call_arguments", piece, **_IN) for piece in FRAGMENTS),
            done(call("{}"), output_index=0),
            end(),
        ),
        id="an empty object first",
    ),
    pytest.param(
        (added(call("")), *(delta("function_call_arguments", piece) for piece in ("{}", *FRAGMENTS)), end()),
        id="an empty object as the first fragment",
    ),
    pytest.param(
        (*(delta("function_call_arguments", piece, **_IN) for piece in FRAGMENTS), done(call("")), end()),
        id="fragments that nothing announced",
    ),
    pytest.param(
        (added(call("", id=...)), *(delta("function_call_arguments", p, item_id="x") for p in FRAGMENTS), end()),
        id="fragments with an id that was not announced",
    ),
    pytest.param(
        (
            added(call("", id="a"), output_index=3),
            *(delta("function_call_arguments", p, item_id=f"x{p}", output_index=3) for p in FRAGMENTS),
            done(call(id="z"), output_index=3),
            end(call(id="y")),
        ),
        id="another id in each event",
    ),
    pytest.param(
        (
            {"type": "response.function_call_arguments.done", "name": "purge", "arguments": WHOLE, **_IN},
            end(),
        ),
        id="only the event that completes arguments",
    ),
)


@pytest.mark.parametrize("events", COMPLETE)
async def test_a_call_wherever_its_arguments_stand(
    wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]
) -> None:
    got = await answered(wire, server, *events)
    assert (shown(got), got.stop) == ([("purge", ARGS)], "tool_calls")


ARGUMENTS_DONE = {"type": "response.function_call_arguments.done", "item_id": "fc_1", "arguments": WHOLE}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param((done(call()), end(call("{}"))), id="in the end"),
        pytest.param((done(call()), end(call({}, id="other"))), id="in the end, with another id"),
        pytest.param((done(call("{}")), end(call())), id="first"),
        pytest.param((done(call()), done(call("{}")), end()), id="complete once more"),
        pytest.param((done(call("{}")), done(call()), end(call("{}"))), id="around it"),
        pytest.param((done(call(call_id=...)), done(call(" {} ")), end()), id="with a new id for the call"),
        pytest.param((added(call("")), ARGUMENTS_DONE, done(call("{}", id="z")), end()), id="with another id"),
        pytest.param((ARGUMENTS_DONE, done(call("{}", id="z")), end()), id="with the first id for the call"),
        pytest.param(
            (added(call("")), ARGUMENTS_DONE, added(call("", id="z")), done(call("{}", id="z")), end()),
            id="announced once more",
        ),
        pytest.param((end(call(), call("{}")),), id="twice in the end"),
        pytest.param((end(call("{}"), call()),), id="twice in the end, the real ones last"),
        pytest.param((done(call('{"bef')), end(call())), id="behind the beginning of them"),
    ],
)
async def test_an_empty_object_beside_the_arguments_is_no_call(
    wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]
) -> None:
    got = await answered(wire, server, *events)
    assert (shown(got), got.stop) == ([("purge", ARGS)], "tool_calls")


@pytest.mark.parametrize(
    "events",
    [
        (end(call(), call()),),
        (end(call(), call(id="fc_2")),),
        (end(call(), call('{"before":"2020"}', call_id=...)),),
        (done(call()), end(call(), call())),
        (done(call()), done(call(id="fc_2")), end()),
    ],
)
async def test_a_call_that_is_told_twice_is_one(
    wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]
) -> None:
    assert shown(await answered(wire, server, *events)) == [("purge", ARGS)]


@pytest.mark.parametrize("last", [b"data: [DONE]\n\n", stream(end()), stream(end(call("")))])
@pytest.mark.parametrize("empty", ["{}", {}, " { } "])
async def test_an_empty_object_in_an_announcement_stands_for_no_arguments(
    wire: OpenAIResponses, server: BodyServer, empty: Any, last: bytes
) -> None:
    begun = stream(added(call(empty, status="in_progress")))
    got = (await play(wire, server, begun + last))[-1]
    assert isinstance(got, Answer)
    assert shown(got) == [("purge", "")]


async def test_an_empty_object_that_the_server_completes_is_what_the_model_wrote(
    wire: OpenAIResponses, server: BodyServer
) -> None:
    for written in (done(call("{}")), ARGUMENTS_DONE | {"arguments": "{}"}, delta("function_call_arguments", "{}")):
        got = await answered(wire, server, added(call("{}")), written, end())
        assert (shown(got), got.stop) == ([("purge", {})], "tool_calls")
    both = await answered(wire, server, end(call(), call("{}", id="fc_2", call_id="call_2")))
    assert shown(both) == [("purge", ARGS), ("purge", {})]


@pytest.mark.parametrize(
    "events",
    [
        (added(call("")), end()),
        (added(call("")), delta("function_call_arguments", '{"bef'), end()),
        (done(call("")), end(call(""))),
        (done(call(None)), end(call(...))),
        (done(call('{"before": ')), end()),
        (done(call("{}"), output_index=0), delta("function_call_arguments", '{"before": '), end())[1:],
        (added(call("{}")), delta("function_call_arguments", '{"before": '), end(call("{}"))),
        (done(call("[1]")), end()),
        (done(call([1])), end()),
        (done(call({"before": float("nan")})), end()),
    ],
)
async def test_arguments_that_are_not_whole_are_not_taken_for_empty_ones(
    wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]
) -> None:
    got = await answered(wire, server, *events)
    assert all(isinstance(part, ToolCall) and part.args_raw is not None for part in got.parts)


async def test_an_argument_that_is_null_is_kept(wire: OpenAIResponses, server: BodyServer) -> None:
    for null in (call({"before": None}), call("", args={"before": None})):
        got = await answered(wire, server, done(null), end())
        assert shown(got) == [("purge", {"before": None})]


async def test_a_tool_without_parameters_needs_no_arguments(wire: OpenAIResponses, server: BodyServer) -> None:
    got = await answered(wire, server, done(call("", name="clock")), end())
    assert (shown(got), got.stop) == ([("clock", {})], "tool_calls")


@pytest.mark.parametrize(
    "events",
    [
        (done(call(), output_index=0), done(call('{"before": "2021"}', id="fc_2"), output_index=1), end()),
        # The same ids, and no place at all.
        (done(call()), done(call('{"before": "2021"}')), end()),
        (done(call(id=..., call_id=...)), done(call('{"before": "2021"}', id=..., call_id=...)), end()),
        # The same place for all.
        (
            added(call("", id="a"), output_index=0),
            delta("function_call_arguments", WHOLE, item_id="a", output_index=0),
            added(call("", id="b"), output_index=0),
            delta("function_call_arguments", '{"before": "2021"}', item_id="b", output_index=0),
            end(),
        ),
        # Fragments of both in turn.
        (
            added(call("", id="a"), output_index=0),
            added(call("", id="b"), output_index=1),
            delta("function_call_arguments", '{"before"', item_id="a", output_index=0),
            delta("function_call_arguments", '{"before": "2021"}', item_id="b", output_index=1),
            delta("function_call_arguments", ': "2020"}', item_id="a", output_index=0),
            end(),
        ),
        (end(call(), call('{"before": "2021"}', id="fc_2")),),
        (done(call()), end(call(), call('{"before": "2021"}'))),
        (done(call()), end(call('{"before": "2021"}', id="fc_2", call_id="call_2"))),
    ],
)
async def test_two_calls(wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]) -> None:
    got = await answered(wire, server, *events)
    assert shown(got) == [("purge", {"before": "2020"}), ("purge", {"before": "2021"})]
    assert [part.call_id for part in got.parts if isinstance(part, ToolCall)] == ["t1.s1.c1", "t1.s1.c2"]
    # They go back under ids of their own.
    again: Any = wire.request(prompt(server), (USER, Message(id="a", role="assistant", parts=got.parts, at=AT)))
    ids = [item["call_id"] for item in again["input"] if item.get("type") == "function_call"]
    assert len(set(ids)) == 2
    assert [item["call_id"] for item in again["input"] if item.get("type") == "function_call_output"] == ids


@pytest.mark.parametrize(
    ("last", "stop"),
    [
        (end(call(), kind="incomplete", incomplete_details={"reason": "max_output_tokens"}), "max_tokens"),
        (end(call(), kind="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
        (end(call(), kind="incomplete", incomplete_details=None), "max_tokens"),
        (end(call(), kind="incomplete", incomplete_details={"reason": "steered"}), "other"),
        (end(call(), status="incomplete"), "max_tokens"),
        (end(call(status="incomplete")), "max_tokens"),
        (end({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}, call()), "refusal"),
    ],
)
async def test_no_call_of_an_answer_that_was_cut_runs(
    wire: OpenAIResponses, server: BodyServer, last: Event, stop: StopReason
) -> None:
    got = await answered(wire, server, done(call()), last)
    assert got.stop == stop


@pytest.mark.parametrize(
    "last",
    [
        end(call(), status="in_progress"),
        end(call(), status=None),
        {"type": "response.completed"},
        {"type": "response.completed", "response": None},
        {"type": "response.done", "response": {"output": []}},
        end(call(), incomplete_details={"reason": "stop"}),
    ],
)
async def test_ends_of_other_makers(wire: OpenAIResponses, server: BodyServer, last: Event) -> None:
    got = await answered(wire, server, done(call(status="in_progress")), last)
    assert (shown(got), got.stop) == ([("purge", ARGS)], "tool_calls")


async def test_the_word_done_is_an_end_and_a_lost_connection_is_none(wire: OpenAIResponses, server: BodyServer) -> None:
    begun = stream(delta("output_text", "Well."))
    last = (await play(wire, server, begun + b"data: [DONE]\n\n"))[-1]
    assert isinstance(last, Answer)
    assert (shown(last), last.stop) == (["Well."], "end")
    assert (await failure(wire, server, begun)).kind == errors.MODEL_STREAM_TRUNCATED
    assert (await failure(wire, server, Body(begun, broken=True))).kind == errors.MODEL_CONNECTION


async def test_a_whole_body_in_place_of_events(wire: OpenAIResponses, server: BodyServer) -> None:
    whole = {"object": "response", "status": "completed", "output": [said("I look."), call()], "usage": {"x": 1}}
    last = (await play(wire, server, Body(json.dumps(whole, indent=2).encode(), JSON)))[-1]
    assert isinstance(last, Answer)
    assert shown(last) == ["I look.", ("purge", ARGS)]


@pytest.mark.parametrize("status", ["in_progress", "queued"])
@pytest.mark.parametrize("output", [[], [said("Well.")], [said("I look."), call()]])
async def test_a_whole_body_of_an_answer_that_is_still_being_made(
    wire: OpenAIResponses, server: BodyServer, status: str, output: list[Event]
) -> None:
    body = {"object": "response", "status": status, "output": output}
    for form in (Body(json.dumps(body).encode(), JSON), stream(body), stream(body) + b"data: [DONE]\n\n"):
        assert (await failure(wire, server, form)).kind == errors.MODEL_STREAM_TRUNCATED
    # It may be followed by the end.
    whole = body | {"status": "completed", "output": [said("Done.")]}
    last = (await play(wire, server, stream(body, whole)))[-1]
    assert isinstance(last, Answer)
    assert shown(last) == ["Done."]


def part(text: str, *, state: str = "done", **more: Any) -> Event:
    return {"type": f"response.content_part.{state}", "part": {"type": "output_text", "text": text}, **more}


@pytest.mark.parametrize(
    "events",
    [
        (part("Well."), end()),
        (part("", state="added"), part("Well."), end()),
        (part("Well.", state="added"), end()),
        (part("Well.", state="added"), part("Well."), end()),
        (part("We", content_index=0), part("ll.", content_index=1), end()),
        (delta("output_text", "We"), part("Well."), end()),
        (delta("output_text", "Well."), part("Well."), end()),
        # An index that counts something else.
        (delta("output_text", "Well.", content_index=0), part("Well.", content_index=1), end()),
        (part("Well."), done(said("Well.")), end(said("Well."))),
        (done(said("Well.")), part("Well."), end()),
        (part("Well.", item_id="msg_1"), done(said("", id="msg_1")), end()),
        (end(output_text="Well."),),
        (end(said(""), output_text="Well."),),
        (end(said("Well."), output_text="Well."),),
        (delta("output_text", "Well."), end(output_text="Well.")),
        ({"object": "response", "status": "completed", "output_text": "Well."},),
    ],
)
async def test_a_text_that_only_a_part_or_the_response_has(
    wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]
) -> None:
    played = await play(wire, server, stream(*events))
    got = played[-1]
    assert isinstance(got, Answer)
    assert (shown(got), got.stop, got.skipped) == (["Well."], "end", 0)
    assert "".join(delta.text for delta in played if isinstance(delta, Delta)) == "Well."


async def test_a_refusal_that_only_a_part_has(wire: OpenAIResponses, server: BodyServer) -> None:
    event = {"type": "response.content_part.done", "part": {"type": "refusal", "refusal": "No."}}
    got = await answered(wire, server, event, done(call()), end())
    assert (shown(got)[0], got.stop) == ("No.", "refusal")


@pytest.mark.parametrize(
    "events",
    [
        (delta("output_text", "We"), delta("output_text", "ll."), end()),
        (delta("output_text", "We"), delta("output_text", "ll."), end(said("Well."))),
        (delta("output_text", "We"), done(said("Well.")), end(said("Well.", id="other"))),
        ({"type": "response.output_text.done", "text": "Well."}, end()),
        (delta("output_text", "Well."), done({"type": "message", "content": []}), end()),
        (done({"type": "message", "content": "Well."}), end()),
        (delta("output_text", {"text": "Well."}), end()),
        (delta("text", "Well."), end()),
        (added(said("Well.")), end()),
    ],
)
async def test_a_text_wherever_it_stands(wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]) -> None:
    items = await play(wire, server, stream(*events))
    got = items[-1]
    assert isinstance(got, Answer)
    assert (shown(got), got.stop, got.skipped) == (["Well."], "end", 0)


@pytest.mark.parametrize(
    "events",
    [
        # vLLM counts the fragments.
        (
            *(delta("reasoning_text", text, content_index=at) for at, text in enumerate(("Let ", "me ", "see."))),
            done(thought(content=[{"type": "reasoning_text", "text": "Let me see."}])),
        ),
        # LM Studio.
        ({"type": "response.reasoning_text.done", "text": "Let me see."},),
        # Ollama.
        (
            delta("reasoning_summary_text", "Let me see."),
            done(thought(summary=[{"type": "summary_text", "text": "Let me see."}], encrypted_content="Let me see.")),
        ),
        (done(thought(summary=[], content=[{"type": "text", "text": "Let me see."}])),),
        (done(thought(summary="Let me see.")),),
        (delta("reasoning", "Let me see."),),
        (delta("output_text", "<think>Let me see.</think>"),),
    ],
)
async def test_reasoning_wherever_it_stands(
    wire: OpenAIResponses, server: BodyServer, events: tuple[Event, ...]
) -> None:
    items = await play(wire, server, stream(*events, delta("output_text", "Well."), end()))
    got = items[-1]
    assert isinstance(got, Answer)
    assert (shown(got), got.skipped) == (["(Let me see.)", "Well."], 0)
    live = [item for item in items if isinstance(item, Delta)]
    assert "".join(item.text for item in live if item.kind == "reasoning") == "Let me see."
    assert "".join(item.text for item in live if item.kind == "text") == "Well."


async def test_a_tag_in_a_text_behind_reasoning_is_text(wire: OpenAIResponses, server: BodyServer) -> None:
    events = (done(thought(summary="Hm.")), delta("output_text", "Write </think> at the end."), end())
    items = await play(wire, server, stream(*events))
    got = items[-1]
    assert isinstance(got, Answer)
    assert shown(got) == ["(Hm.)", "Write </think> at the end."]
    live = [item for item in items if isinstance(item, Delta)]
    assert "".join(item.text for item in live if item.kind == "text") == "Write </think> at the end."


async def test_items_of_a_server_s_own_tools_go_back_to_it(wire: OpenAIResponses, server: BodyServer) -> None:
    thinking = thought(encrypted_content="gAAA", summary=[])
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "x", "new": [1]}}
    custom = {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_9", "name": "grep", "input": "x"}
    waiting = {"type": "computer_call", "id": "cu_1", "call_id": "call_8", "action": {"type": "click"}}
    message = said("Well.", role="assistant", phase="final_answer", unknown={"x": 1})
    quiet = {"type": "response.web_search_call.searching", "item_id": "ws_1"}
    got = await answered(wire, server, *map(done, (thinking, search, custom, waiting)), quiet, done(message), end())
    assert (shown(got), got.skipped) == (["()", "()", "()", "()", "Well."], 0)
    signed = tuple(
        part.model_copy(update={"native": part.native.model_copy(update={"server": "openai"})})
        for part in got.parts
        if isinstance(part, Text | Reasoning) and part.native is not None
    )
    history = (USER, Message(id="a", role="assistant", parts=signed, at=AT), USER)
    back: Any = wire.request(prompt(server).model_copy(update={"model": ModelDefinition(use="openai/m")}), history)
    answer = {"type": "custom_tool_call_output", "call_id": "call_9", "output": "Error: this tool is not available."}
    assert back["input"][1:-1] == [thinking, search, custom, answer, message]
    elsewhere: Any = wire.request(prompt(server), history)
    assert [item["content"][0]["text"] for item in elsewhere["input"]] == ["go", "Well.", "go"]


async def test_a_call_of_nothing_is_none(wire: OpenAIResponses, server: BodyServer) -> None:
    got = await answered(wire, server, done(call(name=None)), done(call(name=7, id="fc_2")), end())
    assert (got.parts, got.skipped, got.stop) == ((), 2, "end")


async def test_shapes_that_nobody_knows_are_counted(wire: OpenAIResponses, server: BodyServer) -> None:
    odd: list[Any] = [
        {"type": "something.new"},
        {"type": 7},
        {"nothing": 1},
        delta("output_text", 7),
        delta("output_text", ["x"]),
        {"type": "response.output_text.delta"},
        {"type": "response.output_item.added", "item": "x"},
        done({"name": "purge"}),
        {"choices": []},
    ]
    quiet: list[Any] = [
        {"type": "response.created", "response": 7},
        {"type": "keepalive"},
        {"type": "response.content_part.added", "part": 7},
    ]
    odd_items: list[Any] = [7, []]
    garbage = b"data: {broken\n\ndata: 7\n\ndata:\n\n: a comment\n\n"
    items = await play(wire, server, garbage + stream(*odd, *quiet, delta("output_text", "Well."), end(*odd_items)))
    got = items[-1]
    assert isinstance(got, Answer)
    assert (shown(got), got.skipped) == (["Well."], 2 + len(odd) + 2)


USED = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}


@pytest.mark.parametrize(
    ("last", "usage"),
    [
        (end(usage=USED), Usage(input_tokens=100, output_tokens=20)),
        ({**end(), "usage": USED}, Usage(input_tokens=100, output_tokens=20)),
        (end(usage={**USED, "total_tokens": 150}), Usage(input_tokens=100, output_tokens=50, reasoning_tokens=30)),
        (
            end(usage={**USED, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}}),
            Usage(input_tokens=100, cached_tokens=60, cache_write_tokens=30, output_tokens=20),
        ),
        (
            end(usage={**USED, "input_tokens_details": None, "output_tokens_details": {"reasoning_tokens": 5}}),
            Usage(input_tokens=100, output_tokens=20, reasoning_tokens=5),
        ),
        (end(usage={"prompt_tokens": 100, "completion_tokens": 20}), Usage(input_tokens=100, output_tokens=20)),
        (end(usage=None, timings={"prompt_n": 90, "cache_n": 10, "predicted_n": 20}), None),
        (end(usage=[1]), Usage()),
        (end(usage={"input_tokens": "x", "output_tokens": None, "input_tokens_details": 7}), Usage()),
        (end(), Usage()),
    ],
)
async def test_the_books(wire: OpenAIResponses, server: BodyServer, last: Event, usage: Usage | None) -> None:
    got = await answered(wire, server, delta("output_text", "Well."), last)
    assert got.usage == (usage or Usage(input_tokens=100, cached_tokens=10, output_tokens=20))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "server_is_overloaded", "message": "Busy"}, errors.MODEL_OVERLOADED),
        ({"type": "error", "error": {"code": "rate_limit_exceeded", "message": "x"}}, errors.MODEL_RATE_LIMITED),
        ({"error": {"message": "x", "type": "server_error"}}, errors.MODEL_SERVER_ERROR),
        ({"error": "x"}, errors.MODEL_SERVER_ERROR),
        ({"type": "error"}, errors.MODEL_SERVER_ERROR),
        (end(kind="failed", error={"code": "invalid_prompt", "message": "x"}), errors.MODEL_CONTENT_POLICY),
        (end(kind="failed", error={"code": "content_filter", "message": "x"}), errors.MODEL_CONTENT_POLICY),
        (end(kind="failed", error=None), errors.MODEL_ABORTED),
        (end(kind="cancelled"), errors.MODEL_ABORTED),
        (end(status="failed", error={"code": "insufficient_quota"}), errors.MODEL_QUOTA),
    ],
)
async def test_failures_within_a_stream(wire: OpenAIResponses, server: BodyServer, event: Event, kind: str) -> None:
    assert (await failure(wire, server, stream(delta("output_text", "We"), event))).kind == kind
