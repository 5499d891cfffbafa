"""Answers of Anthropic Messages as its API and servers that resemble it send them, byte by byte, through the real wire."""

import json
from collections.abc import AsyncIterator

import pytest

from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Reasoning, StopReason, Text, Usage
from tests.support.anthropic_events import (
    Event,
    begin,
    delta,
    end,
    finish,
    message,
    start,
    stream,
    text,
    thinking,
)
from tests.support.anthropic_trial import BARE, CALL, END, HELLO, MESSAGE_STOP, START, STOP_REASON, anthropic_trial
from tests.support.body_server import JSON, Body, BodyServer, body_server
from tests.support.decoders import Trial, answered, failed, said

API = "anthropic.messages"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture(scope="module")
async def trial() -> AsyncIterator[Trial]:
    async with anthropic_trial(BARE) as tried:
        yield tried


def without_names(*events: Event) -> bytes:
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)


def without_types(*events: Event) -> bytes:
    return stream(*events).replace(b'"type": "content_block_', b'"kind": "content_block_')


ENDINGS: list[tuple[bytes, StopReason]] = [
    (stream(START, *HELLO, *END), "end"),
    # Without message_stop, and without a stop reason.
    (stream(START, *HELLO, STOP_REASON), "end"),
    (stream(START, *HELLO, MESSAGE_STOP), "end"),
    (stream(START, *HELLO, *end(None)), "end"),
    (stream(START, *HELLO, {"type": "message_stop", "stop_reason": "max_tokens"}), "max_tokens"),
    (stream(START, *HELLO, {"type": "message_delta", "stop_reason": "end_turn", "delta": None}), "end"),
    (stream(START, *HELLO) + b"data: [DONE]\n\n", "end"),
    (stream(START, *HELLO) + b"data: [DONE]", "end"),
    (stream(START, *HELLO, *END) + b"data: [DONE]\n\n", "end"),
    # A stop reason that says nothing, and one that comes in mid-answer.
    *(
        (stream(START, *HELLO, *end(reason)), "end")
        for reason in ("", " ", "null", "none", "None", "in_progress", "unfinished")
    ),
    (stream(START, *HELLO, end("")[0], *END), "end"),
    (stream(START, *HELLO, end("max_tokens")[0], *end("")), "max_tokens"),
    (stream(START, *HELLO, end("")[0]) + b"data: [DONE]\n\n", "end"),
    (stream(START, end("end_turn")[0], *HELLO, *END), "end"),
    # What was reported as cut stays cut.
    (stream(START, *HELLO, end("max_tokens")[0], *END), "max_tokens"),
    (stream(START, *HELLO, end("end_turn")[0], *end(None)), "end"),
    # Without names, without types, without starts, without stops, without indexes.
    (without_names(START, *HELLO, *END), "end"),
    (without_types(START, *HELLO, *END), "end"),
    (stream(START, *(e for e in HELLO if e["type"] != "content_block_start"), *END), "end"),
    (stream(START, *(e for e in HELLO if e["type"] != "content_block_stop"), *END), "end"),
    (stream(START, *({k: v for k, v in e.items() if k != "index"} for e in HELLO), *END), "end"),
    (stream(*HELLO, *END), "end"),
    # Blank data, comments, line ends.
    (b"data:\n\n: hi\n\nevent: x\n\n" + stream(START, *HELLO, *END).replace(b"\n\n", b"\n\ndata: \n\n"), "end"),
    (stream(START, *HELLO, *END).replace(b"\n", b"\r\n"), "end"),
    (stream(START, *HELLO, *END).replace(b"\n\n", b"\n"), "end"),
    # Events and deltas that nobody knows, and what is no object.
    (stream(START, {"type": "news", "index": 1}, *HELLO, *END).replace(b"event: ping\ndata: {}", b"data: 7"), "end"),
    (stream(START, *HELLO, delta(1, "shade_delta", shade=7), *END) + b"data: {\n\n", "end"),
]


@pytest.mark.parametrize(("body", "stop"), ENDINGS)
async def test_an_answer_that_is_whole(trial: Trial, server: BodyServer, body: bytes, stop: StopReason) -> None:
    told = await answered(trial, server, body)
    assert (said(told), told.stop) == (["(Hmm.)", "Hello"], stop)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        stream(START),
        stream(START, *HELLO),
        stream(*HELLO, {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 3}}),
        stream(START, *HELLO, *END)[:-90],
        stream(START, *HELLO, end("")[0]),
        stream(START, *HELLO, end("in_progress")[0]),
        stream(START, *HELLO, *CALL, end("null")[0]),
        # A reason in mid-answer is no end of what follows.
        stream(START, end("end_turn")[0], *HELLO),
        stream(START, end("tool_use")[0], *CALL),
        b"data: [DONE]\n\n",
        b"{}",
        json.dumps(message(content=[{"type": "text", "text": "Hello"}])).encode()[:-1],
        b"<html>Welcome</html>",
    ],
)
async def test_an_answer_without_an_end(trial: Trial, server: BodyServer, body: bytes) -> None:
    assert await failed(trial, server, body) == errors.MODEL_STREAM_TRUNCATED
    if body:
        assert await failed(trial, server, Body(body, broken=True)) == errors.MODEL_CONNECTION


async def test_a_connection_that_breaks_behind_the_end(trial: Trial, server: BodyServer) -> None:
    for events in ([STOP_REASON, MESSAGE_STOP], [STOP_REASON], [MESSAGE_STOP]):
        told = await answered(trial, server, Body(stream(START, *HELLO, *events), broken=True))
        assert (said(told), told.stop) == (["(Hmm.)", "Hello"], "end")


@pytest.mark.parametrize("reason", ["tool_use", None, "", "null"])
@pytest.mark.parametrize("content_type", [JSON, "text/event-stream", "text/plain"])
@pytest.mark.parametrize("indent", [None, 2])
async def test_one_whole_message_in_place_of_a_stream(
    trial: Trial, server: BodyServer, reason: str | None, content_type: str, indent: int | None
) -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"order_id": "A-1"}},
    ]
    body = json.dumps(message(content=content, stop_reason=reason), indent=indent).encode()
    told = await answered(trial, server, Body(body, content_type))
    assert (said(told), told.stop) == (["(Hm.)", "I look.", {"order_id": "A-1"}], "tool_calls")
    assert told.usage == Usage(input_tokens=9, output_tokens=1)


@pytest.mark.parametrize(
    "events",
    [
        [start(content=[{"type": "text", "text": "Hello"}]), *END],
        [START, {"type": "message_stop", "message": message(content="Hello", stop_reason="end_turn")}],
        [START, begin(0, {"type": "text"}), finish(0) | {"content_block": {"type": "text", "text": "Hello"}}, *END],
        [START, begin(0, {"type": "text", "text": "Hel"}), delta(0, "text_delta", text="lo"), finish(0), *END],
    ],
)
async def test_words_in_another_place(trial: Trial, server: BodyServer, events: list[Event]) -> None:
    assert said(await answered(trial, server, stream(*events))) == ["Hello"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n', errors.MODEL_OVERLOADED),
        (b'data: {"error": {"type": "rate_limit_error", "message": "slow"}}\n\n', errors.MODEL_RATE_LIMITED),
        (b'data: {"error": {"code": 429}}\n\n', errors.MODEL_RATE_LIMITED),
        (b'data: {"type": "error", "error": null}\n\n', errors.MODEL_SERVER_ERROR),
        (b'data: {"error": "out of memory"}\n\n', errors.MODEL_SERVER_ERROR),
        (b'event: error\ndata: {"message": "no"}\n\n', errors.MODEL_SERVER_ERROR),
        (b"event: error\ndata: out of memory\n\n", errors.MODEL_SERVER_ERROR),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "m"}}', errors.MODEL_OVERLOADED),
        (b'{"error": {"type": "overloaded_error", "message": "m"}}', errors.MODEL_OVERLOADED),
    ],
)
async def test_an_error_of_the_server(trial: Trial, server: BodyServer, body: bytes, kind: str) -> None:
    assert await failed(trial, server, body) == kind
    if body[:1] != b"{":
        assert await failed(trial, server, stream(START, *HELLO) + body) == kind


async def test_a_server_that_gives_up(trial: Trial, server: BodyServer) -> None:
    assert await failed(trial, server, stream(START, *HELLO, *end("abort"))) == errors.MODEL_ABORTED


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        # A zero that follows does not take a number back.
        ([start(usage={"input_tokens": 1500}), *HELLO, *end("end_turn", input_tokens=0)], {"input_tokens": 1500}),
        ([START, *HELLO, *end("end_turn", input_tokens=1500)], {"input_tokens": 1500}),
        (
            [
                start(usage={"input_tokens": 6, "cache_creation_input_tokens": 159_217, "cache_read_input_tokens": 0}),
                *END,
            ],
            {"input_tokens": 159_223, "cache_write_tokens": 159_217},
        ),
        (
            [start(usage={"cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7}}), *END],
            {"input_tokens": 12, "cache_write_tokens": 12},
        ),
        (
            [start(usage={"input_tokens": 1, "cache_read_input_tokens": 9, "cache_creation": None}), *END],
            {"input_tokens": 10, "cached_tokens": 9},
        ),
        ([START, STOP_REASON, MESSAGE_STOP | {"usage": {"input_tokens": 70}}], {"input_tokens": 70}),
        ([START, STOP_REASON, MESSAGE_STOP | {"message": message(usage={"input_tokens": 70})}], {"input_tokens": 70}),
        ([START, {"type": "message_delta", "delta": {"stop_reason": "end_turn", "usage": {"output_tokens": 42}}}], {}),
        ([START, *end("end_turn", output_tokens_details={"thinking_tokens": 7})], {"reasoning_tokens": 7}),
        ([START, *end("end_turn", output_tokens_details=7, input_tokens="many", cache_read_input_tokens=-1)], {}),
        ([START, *end("end_turn", input_tokens=10**400, cache_creation=[1], output_tokens=42.0)], {}),
        (
            [START, STOP_REASON, MESSAGE_STOP | {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 80}}],
            {"input_tokens": 80},
        ),
    ],
)
async def test_usage_wherever_it_is(
    trial: Trial, server: BodyServer, events: list[Event], usage: dict[str, int]
) -> None:
    told = await answered(trial, server, stream(*events))
    assert told.usage == Usage(**{"input_tokens": 9, "output_tokens": 42} | usage)


@pytest.mark.parametrize(
    ("first", "then", "usage"),
    [
        # Tokens that are split later are not read twice.
        ((2000, 0, 0), (500, 1500, 0), (2000, 1500, 0)),
        ((2000, None, None), (500, 1500, None), (2000, 1500, 0)),
        ((2000, 0, 0), (100, 1500, 400), (2000, 1500, 400)),
        ((2000, 0, 0), (0, 2000, 0), (2000, 2000, 0)),
        # What is left out, or zero, is as it was before.
        ((10, None, None), (1500, 900, 0), (2400, 900, 0)),
        ((6, 0, 159_217), (6, None, None), (159_223, 0, 159_217)),
        ((6, 0, 159_217), (0, 0, 0), (159_223, 0, 159_217)),
        ((0, 0, 5000), (1500, 0, 0), (6500, 0, 5000)),
        ((1500, None, None), (None, 900, None), (2400, 900, 0)),
        ((None, 900, None), (1500, None, None), (2400, 900, 0)),
    ],
)
async def test_input_that_is_counted_twice(
    trial: Trial,
    server: BodyServer,
    first: tuple[int | None, ...],
    then: tuple[int | None, ...],
    usage: tuple[int, ...],
) -> None:
    def told(counts: tuple[int | None, ...]) -> dict[str, int | None]:
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        return dict(zip(names, counts, strict=True))

    events = [start(usage=told(first)), *HELLO, *end("end_turn", **told(then))]
    read = (await answered(trial, server, stream(*events))).usage
    assert (read.input_tokens, read.cached_tokens, read.cache_write_tokens) == usage


async def test_a_server_that_counts_nothing(trial: Trial, server: BodyServer) -> None:
    bare = stream(start(usage=None), *HELLO, STOP_REASON | {"usage": None}, MESSAGE_STOP)
    assert (await answered(trial, server, bare)).usage == Usage()


@pytest.mark.parametrize(
    "events",
    [
        text(0, "<think>Hm.</think>Hello"),
        text(0, "<th", "ink>H", "m.</thi", "nk>\n\nHel", "lo"),
        [*text(0, "<think>Hm.</think>"), *text(1, "Hello")],
        # The opening tag is in the prompt's template.
        text(0, "Hm", ".</think>", "Hello"),
    ],
)
async def test_thinking_between_tags(trial: Trial, server: BodyServer, events: list[Event]) -> None:
    told = await answered(trial, server, stream(START, *events, *end("end_turn")))
    thought, words = told.parts
    assert isinstance(thought, Reasoning)
    assert isinstance(words, Text)
    assert (thought.text, words.text.strip()) == ("Hm.", "Hello")
    assert thought.native is not None
    assert thought.native.block == {"type": "text", "text": "<think>Hm.</think>"}


async def test_what_only_looks_like_tags_is_text(trial: Trial, server: BodyServer) -> None:
    told = await answered(trial, server, stream(START, *text(0, "Write `<think>` and", " </b>."), *END))
    assert said(told) == ["Write `<think>` and </b>."]
    told = await answered(trial, server, stream(START, *thinking(0, "Hm."), *text(1, "a < b, <"), *END))
    assert said(told) == ["(Hm.)", "a < b, <"]


async def test_bytes_one_by_one(trial: Trial, server: BodyServer) -> None:
    told = await answered(trial, server, Body(stream(START, *HELLO, *CALL, *end("tool_use")), piece=1))
    assert said(told) == ["(Hmm.)", "Hello", {"order_id": "A-1"}]
