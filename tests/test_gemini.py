"""Gemini by its own API: requests, answers and failures, by the real SDK against a server that sends recorded bytes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.provider_turns import Asked, AssistantTurn, Call, Media, Result, Turn, UserTurn
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.gemini import Gemini
from perdure.activities.models.wires.gemini_contents import contents
from perdure.activities.models.wires.gemini_parts import API
from perdure.temporal.definitions.dialects import dialect_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.gemini import GEMINI
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import (
    File,
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
from tests.support import gemini_bodies as bodies
from tests.support.body_server import JSON, Body, BodyServer, body_server
from tests.support.gemini_bodies import SIGNATURE, answer, call, response, stream, thought

SCHEMA: dict[str, JsonValue] = {"type": "object", "properties": {"id": {"type": "integer"}}}
TOOL = ToolSpec(name="find_order", description="Finds.", input=SCHEMA)
CLOCK = ToolSpec(name="current_time", description="Tells.", input={"type": "object", "properties": {}})
KEY = "gemini-key-1"


def message(role: Role, *parts: Part, stopped: bool | None = None) -> Message:
    return Message(id="m", role=role, parts=parts, at=datetime(2026, 11, 1, tzinfo=UTC), stopped=stopped)


def user(text: str) -> Message:
    return message("user", Text(text=text))


def prompt(model: str = "gemini-3-pro", **fields: Any) -> Prompt:
    definition = ModelDefinition.model_validate({"use": f"gemini/{model}", **fields})
    return Prompt(model=definition, system="Be brief.", tools=(TOOL, CLOCK))


def body(*messages: Message, model: str = "gemini-3-pro", **fields: Any) -> Any:
    return Gemini({}).request(prompt(model, **fields), messages)


@pytest.fixture
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture
async def wire(server: BodyServer) -> AsyncIterator[Gemini]:
    made = Gemini({"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": server.url})
    yield made
    await made.aclose()


async def play(wire: Gemini, *messages: Message, asked: Prompt | None = None) -> list[Started | Delta | Answer]:
    asked = asked or prompt()
    return [item async for item in wire.stream(wire.request(asked, messages or (user("go"),)), asked, "t1.s1")]


async def answered(wire: Gemini) -> Answer:
    last = (await play(wire))[-1]
    assert isinstance(last, Answer)
    return last


async def failure(wire: Gemini) -> ModelFailure:
    with pytest.raises(ModelFailed) as caught:
        await play(wire)
    return caught.value.failure


def own(*parts: dict[str, Any], **more: Any) -> Native:
    return Native(api=API, block={**more, "parts": [*parts]})


def test_the_whole_body() -> None:
    told = (user("a"), message("assistant", Text(text="b")), user("c"))
    assert body(*told, thinking="high", max_output_tokens=99, params={"temperature": 0.5, "stop": ["x"]}) == {
        "contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b"}]},
            {"role": "user", "parts": [{"text": "c"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "find_order", "description": "Finds.", "parametersJsonSchema": SCHEMA},
                    {"name": "current_time", "description": "Tells."},
                ]
            }
        ],
        "generationConfig": {
            "maxOutputTokens": 99,
            "thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True},
            "temperature": 0.5,
            "stopSequences": ["x"],
        },
    }


async def test_a_whole_stream(server: BodyServer, wire: Gemini) -> None:
    signed = call("find_order", {"id": 1}, id="c-7", thoughtSignature=SIGNATURE)
    second = call("find_order", {"id": 2}, id="c-8")
    server.give(
        stream(
            response(thought("Let me ")),
            response(thought("look.")),
            response({"text": "I "}),
            response({"text": "look."}),
            response(signed, second, finish="STOP"),
        )
    )
    items = await play(wire)
    assert items[:-1] == [
        Started(Usage()),
        Delta(0, "reasoning", "Let me "),
        Delta(0, "reasoning", "look."),
        Delta(1, "text", "I "),
        Delta(1, "text", "look."),
        Delta(2, "tool_input", '{"id":1}', "find_order"),
        Delta(3, "tool_input", '{"id":2}', "find_order"),
    ]
    assert items[-1] == Answer(
        parts=(
            Reasoning(text="Let me look.", native=own(thought("Let me look."))),
            Text(text="I look."),
            ToolCall(call_id="t1.s1.c1", name="find_order", args={"id": 1}, native=own(signed, id="c-7")),
            ToolCall(call_id="t1.s1.c2", name="find_order", args={"id": 2}, native=own(second, id="c-8")),
        ),
        model="gemini-3-pro",
        usage=Usage(input_tokens=120, cached_tokens=80, output_tokens=82, reasoning_tokens=64),
        stop="tool_calls",
    )
    assert server.paths == ["/v1/models/gemini-3-pro:streamGenerateContent?alt=sse"]
    assert json.loads(server.requests[0]) == wire.request(prompt(), (user("go"),))
    assert server.headers[0]["x-goog-api-key"] == KEY


async def test_its_own_answer_goes_back_as_it_came(server: BodyServer, wire: Gemini) -> None:
    first = call("find_order", {"id": 1}, thoughtSignature=SIGNATURE, unknown={"x": 1})
    second = call("find_order", {"id": 2})
    last = {"text": "", "thoughtSignature": "bGFzdA=="}
    server.give(answer(thought("Hm."), {"text": "I look."}, first, second, last))
    told = message("assistant", *(await answered(wire)).parts)
    results = message(
        "tool",
        ToolResult(call_id="t1.s1.c1", name="find_order", output={"a": 1}),
        ToolResult(call_id="t1.s1.c2", name="find_order", output="bad", is_error=True),
    )
    sent: Any = wire.request(prompt(), (user("go"), told, results, user("and?")))
    assert sent["contents"][1:] == [
        {"role": "model", "parts": [{"text": "I look."}, first, second, last]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "find_order", "response": {"output": '{"a":1}'}}},
                {"functionResponse": {"name": "find_order", "response": {"error": "bad"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "and?"}]},
    ]


def test_calls_of_other_models_pass_without_a_signature() -> None:
    foreign = Native(api="anthropic.messages", block={"type": "tool_use", "id": "toolu_3"})
    told = message(
        "assistant",
        Reasoning(text="Hm.", native=Native(api="anthropic.messages", block={"type": "thinking"})),
        ToolCall(call_id="t1.s1.c1", name="find_order", args={"id": 1}, native=foreign),
        ToolCall(call_id="t1.s1.c2", name="find_order", args={"id": 2}, native=foreign),
    )
    sent = body(user("go"), told)["contents"][1:]
    first, second = sent[0]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in second
    ids = [part["functionCall"]["id"] for part in (first, second)]
    assert [part["functionResponse"]["id"] for part in sent[1]["parts"]] == ids
    assert len(set(ids)) == 2


async def test_an_id_that_its_server_repeats(server: BodyServer, wire: Gemini) -> None:
    same = call("find_order", {"id": 1}, id="0", thoughtSignature=SIGNATURE)
    server.give(answer(same, same))
    told = message("assistant", *(await answered(wire)).parts)
    sent: Any = wire.request(prompt(), (user("go"), told))
    first, second = sent["contents"][1]["parts"]
    assert first == same
    assert second["functionCall"]["id"] != "0"
    assert second["thoughtSignature"] == SIGNATURE
    results = [part["functionResponse"]["id"] for part in sent["contents"][2]["parts"]]
    assert results == [part["functionCall"]["id"] for part in (first, second)]


async def test_text_with_a_signature_keeps_its_parts(server: BodyServer, wire: Gemini) -> None:
    signed = {"text": " there.", "thoughtSignature": SIGNATURE}
    server.give(answer({"text": "Hel"}, {"text": "lo"}, signed))
    (part,) = (await answered(wire)).parts
    assert part == Text(text="Hello there.", native=own({"text": "Hello"}, signed))
    sent: Any = wire.request(prompt(), (user("go"), message("assistant", part), user("b")))
    assert sent["contents"][1]["parts"] == [{"text": "Hello"}, signed]


async def test_what_a_server_s_own_tools_did_goes_back(server: BodyServer, wire: Gemini) -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}
    server.give(answer(code, result, {"text": "One."}))
    told = message("assistant", *(await answered(wire)).parts)
    sent: Any = wire.request(prompt(), (user("go"), told, user("b")))
    assert sent["contents"][1]["parts"] == [code, result, {"text": "One."}]


async def test_a_picture_that_the_model_made(server: BodyServer, wire: Gemini) -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thoughtSignature": SIGNATURE}
    server.give(answer({"text": "Here."}, picture))
    got = await answered(wire)
    assert got.parts[:2] == (
        Text(text="Here."),
        File(uri="data:image/png;base64,iVBORw0KGgo=", media_type="image/png", name="image-1.png"),
    )
    sent: Any = wire.request(prompt(), (user("go"), message("assistant", *got.parts), user("b")))
    assert sent["contents"][1]["parts"] == [{"text": "Here."}, picture]


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("MAX_TOKENS", "max_tokens"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("SPII", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("IMAGE_RECITATION", "content_filter"),
        ("CONTINUATION", "pause"),
    ],
)
async def test_no_call_of_an_answer_that_ended_badly_runs(
    server: BodyServer, wire: Gemini, finish: str, stop: str
) -> None:
    server.give(answer({"text": "I look."}, call("find_order", {"id": 1}), finish=finish))
    assert (await answered(wire)).stop == stop


@pytest.mark.parametrize(
    "finish",
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    ],
)
async def test_an_answer_that_was_given_up_is_tried_again(server: BodyServer, wire: Gemini, finish: str) -> None:
    server.give(stream(response(finish=finish, finishMessage="Malformed function call: print(x)")))
    failed = await failure(wire)
    assert (failed.kind, failed.retryable, failed.most_attempts) == (errors.MODEL_ABORTED, True, 3)


async def test_an_answer_without_its_end_is_none(server: BodyServer, wire: Gemini) -> None:
    server.give(stream(response({"text": "Well."})), b"", Body(stream(response({"text": "We"})), broken=True))
    kinds = [(await failure(wire)).kind for _ in range(3)]
    assert kinds == [errors.MODEL_STREAM_TRUNCATED, errors.MODEL_STREAM_TRUNCATED, errors.MODEL_CONNECTION]


async def test_an_answer_is_whole_once_its_reason_came(server: BodyServer, wire: Gemini) -> None:
    server.give(Body(answer({"text": "Well."}), broken=True))
    got = await answered(wire)
    assert (got.parts, got.stop) == ((Text(text="Well."),), "end")


@pytest.mark.parametrize("args", [None, "", '{"id":', 7, []])
async def test_arguments_that_are_none_are_not_taken_for_empty_ones(
    server: BodyServer, wire: Gemini, args: object
) -> None:
    server.give(answer({"functionCall": {"name": "find_order", "args": args}}))
    (part,) = (await answered(wire)).parts
    assert isinstance(part, ToolCall)
    assert part.args_raw is not None


async def test_a_tool_without_parameters_needs_no_arguments(server: BodyServer, wire: Gemini) -> None:
    server.give(answer({"functionCall": {"name": "current_time"}}))
    got = await answered(wire)
    (part,) = got.parts
    assert isinstance(part, ToolCall)
    assert (part.args, part.args_raw, got.stop) == ({}, None, "tool_calls")


async def test_shapes_that_nobody_knows_are_counted(server: BodyServer, wire: Gemini) -> None:
    odd: list[dict[str, Any]] = [
        {"candidates": ["x"]},
        {"candidates": [{"content": {"parts": "x"}}]},
        {"candidates": [{"content": {"parts": [7, {"functionCall": {"args": {}}}, {"functionCall": "x"}]}}]},
        {"candidates": [{"content": None}]},
        {"candidates": []},
        {"candidates": None, "usageMetadata": [1]},
    ]
    garbage = b"data: {broken\r\n\r\ndata: [1]\r\n\r\ndata:\r\n\r\n"
    server.give(garbage + stream(*odd) + answer({"text": "Well."}))
    got = await answered(wire)
    assert (got.parts, got.skipped) == ((Text(text="Well."),), 7)


async def test_a_whole_body_in_place_of_a_stream(server: BodyServer, wire: Gemini) -> None:
    whole = [response({"text": "We"}), response({"text": "ll."}, finish="STOP")]
    server.give(Body(json.dumps(whole).encode(), JSON))
    assert (await answered(wire)).parts == (Text(text="Well."),)


async def test_members_under_the_names_of_fields(server: BodyServer, wire: Gemini) -> None:
    """As proxies write them that were built on a client library."""
    part = {"function_call": {"name": "find_order", "args": {"id": 1}}, "thought_signature": SIGNATURE}
    candidate = {"content": {"parts": [part]}, "finish_reason": "STOP"}
    used = {"prompt_token_count": 9, "candidates_token_count": 2, "total_token_count": 11}
    server.give(stream({"candidates": [candidate], "usage_metadata": used, "model_version": "m"}))
    got = await answered(wire)
    assert got.parts == (ToolCall(call_id="t1.s1.c1", name="find_order", args={"id": 1}, native=own(part)),)
    assert (got.usage, got.model, got.stop) == (Usage(input_tokens=9, output_tokens=2), "m", "tool_calls")


@pytest.mark.parametrize(
    ("metadata", "usage"),
    [
        ({}, Usage()),
        ({"promptTokenCount": 10, "toolUsePromptTokenCount": 5, "totalTokenCount": 15}, Usage(input_tokens=15)),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 7},
            Usage(input_tokens=10, output_tokens=10, reasoning_tokens=7),
        ),
        # A total that leaves nothing for thoughts apart says that the candidates include them.
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 9, "thoughtsTokenCount": 7, "totalTokenCount": 19},
            Usage(input_tokens=10, output_tokens=9, reasoning_tokens=7),
        ),
        ({"promptTokenCount": "x", "candidatesTokenCount": None}, Usage()),
    ],
)
async def test_the_books(server: BodyServer, wire: Gemini, metadata: dict[str, Any], usage: Usage) -> None:
    server.give(stream(response({"text": "Well."}, finish="STOP") | {"usageMetadata": metadata}))
    assert (await answered(wire)).usage == usage


PICTURE = Media("image", "image/png", "cat.png", data="iVBORw0KGgo=")
LINKED = Media("image", "image/png", "cat.png", url="https://example.com/cat.png")
SOUND = Media("audio", "audio/wav", "a.wav", data="UklGRg==")
FILM = Media("document", "video/mp4", "a.mp4", data="AAAA")
INLINE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
CALL = Call("c1", ToolCall(call_id="t1.s1.c1", name="find_order", args={}))


def shown(model: str, *turns: Turn) -> Any:
    dialect = dialect_of(GEMINI, ModelDefinition(use=f"gemini/{model}"), {})
    return contents(turns, Asked(API, "gemini", dialect))


def test_media_in_what_a_person_says() -> None:
    (said,) = shown("gemini-3-pro", UserTurn((), (Text(text="See:"), PICTURE, LINKED, SOUND, FILM)))
    assert said["parts"] == [
        {"text": "See:"},
        INLINE,
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/cat.png"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        {"text": "[document a.mp4 (video/mp4)]"},
    ]


def test_media_in_results() -> None:
    turns = (AssistantTurn((CALL,)), UserTurn((Result("c1", (Text(text="Here."), PICTURE), is_error=False),), ()))
    _, results = shown("gemini-3-pro", *turns)
    (part,) = results["parts"]
    response: dict[str, Any] = {"id": "c1", "name": "find_order", "response": {"output": "Here."}}
    assert part == {"functionResponse": response | {"parts": [INLINE]}}
    # Before the third generation they follow.
    _, results, beside = shown("gemini-2.5-pro", *turns)
    words = "Here.\n\n[image cat.png (image/png)]"
    assert results["parts"] == [{"functionResponse": response | {"response": {"output": words}}}]
    assert beside == {"role": "user", "parts": [{"text": "[From the result of find_order:]"}, INLINE]}


async def test_a_prompt_that_was_blocked(server: BodyServer, wire: Gemini) -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}
    server.give(stream(blocked))
    failed = await failure(wire)
    assert (failed.kind, failed.retryable) == (errors.MODEL_CONTENT_POLICY, False)
    assert "PROHIBITED_CONTENT" in failed.message


@pytest.mark.parametrize(
    ("status", "told", "kind", "wait"),
    [
        (400, bodies.BAD_KEY, errors.MODEL_AUTH, None),
        (403, bodies.error(403, "PERMISSION_DENIED", "No."), errors.MODEL_AUTH, None),
        (404, bodies.error(404, "NOT_FOUND", "models/x is not found"), errors.MODEL_NOT_FOUND, None),
        (429, bodies.RATE_LIMITED, errors.MODEL_RATE_LIMITED, timedelta(seconds=34.074824)),
        (429, bodies.DAY_USED_UP, errors.MODEL_QUOTA, None),
        (400, bodies.TOO_LONG, errors.MODEL_CONTEXT_LENGTH, None),
        (503, bodies.OVERLOADED, errors.MODEL_OVERLOADED, None),
        (500, bodies.error(500, "INTERNAL", "An internal error has occurred."), errors.MODEL_SERVER_ERROR, None),
        (400, bodies.UNSIGNED, errors.MODEL_INVALID_REQUEST, None),
        (400, b"[" + bodies.BAD_KEY + b"]", errors.MODEL_AUTH, None),
        (502, b"<html>Bad gateway</html>", errors.MODEL_SERVER_ERROR, None),
        (500, b"", errors.MODEL_SERVER_ERROR, None),
        (400, b'{"error": "odd"}', errors.MODEL_INVALID_REQUEST, None),
        (400, b"[]", errors.MODEL_INVALID_REQUEST, None),
        (400, b"\xff\xfe", errors.MODEL_INVALID_REQUEST, None),
    ],
)
async def test_failures_by_their_kinds(
    server: BodyServer, wire: Gemini, status: int, told: bytes, kind: str, wait: timedelta | None
) -> None:
    server.give(Body(told, JSON, status=status))
    failed = await failure(wire)
    assert (failed.kind, failed.retry_after, len(server.requests)) == (kind, wait, 1)
    assert KEY not in failed.message


@pytest.mark.parametrize(
    "words",
    [
        "Thinking is not enabled for this model.",
        "Budget 0 is invalid. This model only works in thinking mode.",
        "Invalid value at 'generation_config.thinking_config.thinking_level' (TYPE_ENUM), \"minimal\"",
    ],
)
async def test_thinking_that_a_model_refuses_is_left_out(server: BodyServer, wire: Gemini, words: str) -> None:
    server.give(Body(bodies.error(400, "INVALID_ARGUMENT", words), JSON, status=400), answer({"text": "Well."}))
    got = await answered(wire)
    assert got.parts == (Text(text="Well."),)
    assert [told.partition(":")[0].startswith("generationConfig.thinkingConfig") for told in got.adapted] == [True]
    first, second = (json.loads(request)["generationConfig"] for request in server.requests)
    assert "thinkingLevel" in first["thinkingConfig"]
    assert "thinkingLevel" not in second.get("thinkingConfig", {})


async def test_an_error_within_a_stream(server: BodyServer, wire: Gemini) -> None:
    server.give(stream(response({"text": "We"}), json.loads(bodies.OVERLOADED)))
    failed = await failure(wire)
    assert (failed.kind, failed.retryable) == (errors.MODEL_OVERLOADED, True)


@pytest.mark.parametrize(
    ("model", "level", "expected"),
    [
        # What cannot be turned off is turned down, and shown.
        ("gemini-3-pro", "off", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3-flash-preview", "off", {"thinkingLevel": "minimal", "includeThoughts": True}),
        ("gemini-3.8-flash", "max", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-2.5-flash", "off", {"thinkingBudget": 0}),
        ("gemini-2.5-flash-lite", "max", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "off", {"thinkingBudget": 128, "includeThoughts": True}),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-2.0-flash", "high", None),
    ],
)
def test_thinking_by_model(model: str, level: str, expected: dict[str, Any] | None) -> None:
    config = body(user("a"), model=model, thinking=level)["generationConfig"]
    assert config.get("thinkingConfig") == expected


async def test_another_server_gets_no_key_of_google_s(server: BodyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    wire = Gemini({"GEMINI_API_KEY": KEY, "OTHER": "other-2"})
    server.give(answer({"text": "a"}), answer({"text": "b"}))
    await play(wire, asked=prompt(base_url=f"{server.url}/v1beta/"))
    await play(wire, asked=prompt(base_url=server.url, api_key="${OTHER}"))
    await wire.aclose()
    assert KEY not in str(server.headers)
    assert server.headers[1]["x-goog-api-key"] == "other-2"
    assert [path.partition("/models")[0] for path in server.paths] == ["/v1beta", "/v1"]


async def test_headers_and_query_of_a_definition(server: BodyServer) -> None:
    wire = Gemini({"GEMINI_API_KEY": KEY, "OTHER": "other-2"})
    server.give(answer({"text": "a"}))
    fields: dict[str, Any] = {"headers": {"X-Team": "a", "x-goog-api-key": "${OTHER}"}, "query": {"trace": "1"}}
    await play(wire, asked=prompt(base_url=server.url, **fields))
    await wire.aclose()
    (headers,), (path,) = server.headers, server.paths
    assert (headers["x-team"], headers["x-goog-api-key"], path.partition("?")[2]) == ("a", "other-2", "alt=sse&trace=1")


async def test_without_a_key_it_says_which() -> None:
    wire = Gemini({})
    failed = await failure(wire)
    await wire.aclose()
    assert (failed.kind, failed.retryable) == (errors.MODEL_NO_KEY, False)
    assert "GEMINI_API_KEY" in failed.message


async def test_closing_early_closes_the_connection_at_once() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun = stream(response({"text": "one"}))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n" % (len(begun), begun))
        await writer.drain()
        while await reader.read(65536):
            pass
        closed.set()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    wire = Gemini({"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{port}"})
    async with aclosing(wire.stream(wire.request(prompt(), (user("go"),)), prompt(), "t1.s1")) as items:
        async for item in items:
            if isinstance(item, Delta):
                break
    async with asyncio.timeout(5):
        await closed.wait()
    await wire.aclose()
    listening.close()
