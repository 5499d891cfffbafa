"""Calls and blocks of Anthropic Messages as its API and servers that resemble it send them, through the real wire."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from perdure.activities.models.wire import Answer
from perdure.workflows.vocabulary.parts import Message, Native, Part, Reasoning, Role, Text
from tests.support.anthropic_events import (
    Event,
    begin,
    block,
    delta,
    end,
    finish,
    message,
    stream,
    text,
    thinking,
    tool,
)
from tests.support.anthropic_trial import A1, BARE, CALL, END, HELLO, MESSAGE_STOP, START, STOP_REASON, anthropic_trial
from tests.support.body_server import JSON, Body, BodyServer, body_server
from tests.support.decoders import Trial, answered, runnable, said

API = "anthropic.messages"


def message_of(role: Role, *parts: Part) -> Message:
    return Message(id="m", role=role, parts=parts, at=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture(scope="module")
async def trial() -> AsyncIterator[Trial]:
    async with anthropic_trial(BARE) as tried:
        yield tried


USE = {"type": "tool_use", "id": "t1", "name": "find_order"}
FOUND = {"order_id": "A-1"}


@pytest.mark.parametrize(
    "events",
    [
        tool(0, "", '{"order_id":', '"A-1"}'),
        tool(0, input=FOUND),
        tool(0, "", input=FOUND),
        tool(0, input=A1),
        tool(0, A1, input=FOUND),
        [begin(0, USE), delta(0, "input_json_delta", partial_json=FOUND), finish(0)],
        [begin(0, USE | {"input": {}}), finish(0) | {"content_block": USE | {"input": FOUND}}],
        # Indexes that are missing, and starts that come twice.
        [begin(None, USE), delta(None, "input_json_delta", partial_json=A1), finish(None)],
        [begin(0, USE), begin(0, USE), delta(0, "input_json_delta", partial_json=A1), finish(0), finish(0)],
        # The call a second time, under the same id.
        [*tool(0, A1, id="t1"), *tool(1, A1, id="t1")],
        # A type that is missing, and one that nobody knows.
        [begin(0, USE), {"type": "content_block_delta", "index": 0, "delta": {"partial_json": A1}}, finish(0)],
        [begin(0, USE), delta(0, "shade_delta", shade=1), delta(0, "input_json_delta", partial_json=A1), finish(0)],
        # No content_block_stop.
        [begin(0, USE), delta(0, "input_json_delta", partial_json=A1)],
    ],
)
async def test_arguments_wherever_they_are(trial: Trial, server: BodyServer, events: list[Event]) -> None:
    told = await answered(trial, server, stream(START, *events, *end("tool_use")))
    assert (said(told), told.stop) == ([FOUND], "tool_calls")


@pytest.mark.parametrize(
    "events",
    [
        # An empty object takes nothing back, and is no fragment.
        tool(0, "{}", input=FOUND),
        tool(0, "{", "}", input=FOUND),
        tool(0, "null", input=FOUND),
        tool(0, "{}", A1),
        tool(0, "{}", '{"order_id":', '"A-1"}'),
        tool(0, "{}", "", " ", A1),
        tool(0, "null", A1),
        tool(0, A1, "{}"),
        tool(0, '{"order_id":', '"A-1"}', "{}"),
        tool(0, A1, "null"),
        tool(0, A1, A1),
        tool(0, '{"order_id":', '"A-1"}', A1),
        [begin(0, USE | {"input": {}}), delta(0, "input_json_delta", partial_json="{}"), finish(0) | {"input": FOUND}],
        [*tool(0, A1)[:-1], finish(0) | {"content_block": USE | {"input": {}}}],
        [*tool(0, A1)[:-1], delta(0, "input_json_delta", partial_json={}), finish(0)],
        [*tool(0, "{}")[:-1], delta(0, "input_json_delta", partial_json=FOUND), finish(0)],
        # Null is no fragment either.
        [begin(0, USE), delta(0, "input_json_delta", partial_json=None), *tool(0, A1)[1:]],
        [begin(0, USE | {"input": None}), *tool(0, A1)[1:-1], delta(0, "input_json_delta", partial_json=None)],
        # A start that comes again with more, and a call that comes again with less.
        [begin(0, USE | {"input": {}}), begin(0, USE | {"input": FOUND}), finish(0)],
        [*tool(0, A1, id="t1"), *tool(1, id="t1")],
        [*tool(0, id="t1"), *tool(1, A1, id="t1")],
    ],
)
async def test_arguments_beside_an_empty_object(trial: Trial, server: BodyServer, events: list[Event]) -> None:
    told = await answered(trial, server, stream(START, *events, *end("tool_use")))
    assert (said(told), told.stop) == ([FOUND], "tool_calls")


@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize(
    "deltas",
    [
        [{"type": "text_delta", "text": A1}],
        [{"type": "text_delta", "text": piece} for piece in ("", ' {"order_id":', '"A-', '1"}')],
        [{"text": A1}],
        [{"type": "input_json_delta", "text": A1}],
        [{"type": "tool_use_delta", "json": A1}],
        [{"type": "tool_use_delta", "json": piece} for piece in ('{"order_id":', '"A-1"}')],
        [{"type": "input_json_delta", "arguments": A1}],
        [{"type": "input_json_delta", "input": FOUND}],
        [{"type": "input_json_delta", "partial_json": "", "input": FOUND}],
        [{"arguments": FOUND}],
    ],
)
async def test_arguments_under_another_name(
    trial: Trial, server: BodyServer, deltas: list[Event], index: int | None
) -> None:
    events = ({"type": "content_block_delta", "index": index, "delta": each} for each in deltas)
    whole = [begin(index, USE | {"input": {}}), *events, finish(index)]
    told = await answered(trial, server, stream(START, *whole, *end("tool_use")))
    assert (said(told), told.stop, told.skipped) == ([FOUND], "tool_calls", 0)


@pytest.mark.parametrize(
    "events",
    [
        tool(0, arguments=FOUND),
        tool(0, function={"arguments": A1}),
        [begin(0, USE), {"type": "content_block_delta", "index": 0, "partial_json": A1}, finish(0)],
        [begin(0, USE), {"type": "input_json_delta", "index": 0, "partial_json": A1}, finish(0)],
        [begin(0, USE), finish(0) | {"content_block": {"arguments": A1}}],
    ],
)
async def test_arguments_at_another_level(trial: Trial, server: BodyServer, events: list[Event]) -> None:
    told = await answered(trial, server, stream(START, *events, *end("tool_use")))
    assert (said(told), told.stop) == ([FOUND], "tool_calls")


@pytest.mark.parametrize("place", ["message_stop", "message_delta", "message_delta.message", "message"])
@pytest.mark.parametrize(
    "streamed", [tool(0, id="t1"), tool(0, "{}", id="t1"), tool(0, id="made_anew"), tool(0, '{"ord'), []]
)
async def test_arguments_in_the_whole_message_alone(
    trial: Trial, server: BodyServer, streamed: list[Event], place: str
) -> None:
    content = [{"type": "text", "text": "I look."}, USE | {"input": FOUND}]
    stop_reason, message_stop = end("tool_use")
    match place:
        case "message_stop":
            message_stop |= {"message": message(content=content)}
        case "message_delta":
            stop_reason["delta"]["content"] = content
        case "message_delta.message":
            stop_reason["message"] = message(content=content)
        case _:
            message_stop = message(content=content)
    events = [*text(1, "I look."), *streamed, stop_reason, message_stop]
    told = await answered(trial, server, stream(START, *events))
    assert (said(told), told.stop) == (["I look.", FOUND], "tool_calls")


async def test_a_whole_message_that_says_no_more_than_the_stream(trial: Trial, server: BodyServer) -> None:
    events = [*thinking(0, "Hm."), *text(1, "I look."), *tool(2, A1, id="t1"), *tool(3, "{}", id="t2")]
    content = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "I look."},
        USE | {"input": {}},
        USE | {"id": "t2", "input": {}},
    ]
    stop = {"type": "message_stop", "message": message(content=content, stop_reason="tool_use")}
    told = await answered(trial, server, stream(START, *events, stop))
    assert said(told) == ["(Hm.)", "I look.", FOUND, {}]


@pytest.mark.parametrize(
    "odd",
    [
        delta(0, "text_delta", text="order A-1"),
        delta(0, "thinking_delta", thinking=A1),
        delta(0, "shade_delta", shade=A1),
        delta(0, "input_json_delta", partial_json=None),
        delta(0, "input_json_delta", words=A1),
        delta(None, "shade_delta", shade=A1),
        delta(7, "shade_delta", shade=A1),
        {"type": "tool_use_input", "index": 0, "input": FOUND},
        {"type": "tool_use_input", "input": FOUND},
        {"type": "content_block_delta", "index": 0},
    ],
)
@pytest.mark.parametrize("fragments", [(), ("",), ("{}",)])
async def test_no_call_runs_without_arguments_that_may_have_come(
    trial: Trial, server: BodyServer, odd: Event, fragments: tuple[str, ...]
) -> None:
    *events, stop = tool(0, *fragments)
    told = await answered(trial, server, stream(START, *events, odd, stop, *end("tool_use")))
    assert "not whole" in said(told)
    # Arguments that are there are whole.
    *events, stop = tool(0, A1)
    told = await answered(trial, server, stream(START, *events, odd, stop, *end("tool_use")))
    assert FOUND in said(told)


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "tool_use_input", "id": "t1", "input": FOUND}, *end("tool_use")],
        [{"type": "news", "calls": [{"function": {"arguments": A1}}]}, *end("tool_use")],
        [STOP_REASON | {"delta": {"stop_reason": "tool_use", "partial_json": A1}}, MESSAGE_STOP],
        [STOP_REASON, MESSAGE_STOP | {"message": message(content={"0": USE | {"input": FOUND}})}],
        [STOP_REASON, MESSAGE_STOP | {"message": message(tool_calls=[{"function": {"arguments": A1}}])}],
        [STOP_REASON, MESSAGE_STOP | {"message": message(content=[USE | {"id": "t2", "input": FOUND}, USE])}],
    ],
)
async def test_no_call_runs_without_arguments_that_stand_behind_it(
    trial: Trial, server: BodyServer, events: list[Event]
) -> None:
    told = await answered(trial, server, stream(START, *tool(0, id="t1"), *tool(1, A1, id="t9"), *events))
    assert said(told) == ["not whole", FOUND]


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "ping"},
        {"type": "news", "usage": {"input": 7}},
        {"type": "heartbeat"},
        delta(0, "text_delta", text=""),
        delta(0, "signature_delta", signature="s"),
    ],
)
async def test_a_call_without_arguments_beside_what_holds_none(trial: Trial, server: BodyServer, odd: Event) -> None:
    *events, stop = tool(0)
    told = await answered(trial, server, stream(START, *events, odd, stop, *end("tool_use")))
    assert {} in said(told)


async def test_words_behind_arguments_that_came_as_text(trial: Trial, server: BodyServer) -> None:
    words = [delta(0, "text_delta", text=each) for each in ('{"order_id":', '"A-1"}', "Done.")]
    told = await answered(trial, server, stream(START, begin(0, USE | {"input": {}}), *words, finish(0), *END))
    assert said(told) == [FOUND, "Done."]


async def test_braces_within_arguments(trial: Trial, server: BodyServer) -> None:
    for fragments in (('{"order_id":"\\\\frac{a}', "{b}", '"}'), ('{"order_id":"', "{}", "{}", '"}')):
        told = await answered(trial, server, stream(START, *tool(0, *fragments), *end("tool_use")))
        assert said(told) == [json.loads("".join(fragments))]


@pytest.mark.parametrize(
    "events",
    [
        tool(0, '{"order_id":'),
        tool(0, '{"order_id":"B', input=FOUND),
        tool(0, A1, "}"),
        tool(0, A1, '{"order_id":"B-2"}'),
        tool(0, input=None),
        tool(0, input=[1]),
        tool(0, input="order A-1"),
        tool(0, input={"order_id": float("nan")}),
        [begin(0, USE), finish(0)],
        [begin(0, USE | {"input": {}})],
        [begin(0, USE | {"input": {}}), delta(0, "input_json_delta", partial_json=7), finish(0)],
        [begin(0, USE | {"input": {}}), delta(0, "input_json_delta"), finish(0)],
        # An object behind a fragment belongs to neither kind of server.
        [*tool(0, '{"order_id":')[:-1], delta(0, "input_json_delta", partial_json={}), finish(0)],
        [*tool(0, A1)[:-1], delta(0, "input_json_delta", partial_json={"order_id": "B-2"}), finish(0)],
        [begin(0, USE | {"input": {}}), {"type": "content_block_delta", "index": 0, "delta": None}, finish(0)],
    ],
)
async def test_arguments_that_did_not_come_whole(trial: Trial, server: BodyServer, events: list[Event]) -> None:
    told = await answered(trial, server, stream(START, *events, *end("tool_use")))
    assert said(told) == ["not whole"]


async def test_a_line_that_is_no_json_spoils_the_call_that_it_falls_into(trial: Trial, server: BodyServer) -> None:
    other = tool(1, '{"order_id":"B-2"}')
    spoilt = stream(START, *other, begin(2, USE | {"input": {}})) + b"data: {\n\n" + stream(finish(2), *end("tool_use"))
    told = await answered(trial, server, spoilt)
    assert (said(told), told.skipped) == ([{"order_id": "B-2"}, "not whole"], 1)


async def test_a_call_without_arguments(trial: Trial, server: BodyServer) -> None:
    assert said(await answered(trial, server, stream(START, *tool(0, ""), *end("tool_use")))) == [{}]
    assert said(await answered(trial, server, stream(START, *tool(0), *end("tool_use")))) == [{}]
    bare = begin(0, {"type": "tool_use", "id": "t", "name": "now"})
    assert said(await answered(trial, server, stream(START, bare, *end("tool_use")))) == [{}]
    # A fragment that belongs to no call may have been meant for it.
    stray = delta(7, "input_json_delta", partial_json=A1)
    told = await answered(trial, server, stream(START, *tool(0), stray, *end("tool_use")))
    assert (said(told), told.skipped) == (["not whole"], 1)


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded", "length"])
@pytest.mark.parametrize("fragments", [(), ("",), ('{"order',), (A1,)])
async def test_no_call_of_a_cut_answer(
    trial: Trial, server: BodyServer, reason: str, fragments: tuple[str, ...]
) -> None:
    told = await answered(trial, server, stream(START, *text(0, "I look."), *tool(1, *fragments), *end(reason)))
    assert runnable(told) == []
    assert told.stop in ("max_tokens", "refusal", "context_window")


async def test_blocks_that_all_have_the_index_0(trial: Trial, server: BodyServer) -> None:
    other = tool(0, '{"order_id":"B-2"}', id="toolu_9")
    told = await answered(trial, server, stream(START, *text(0, "I look."), *CALL, *other, *end("tool_use")))
    assert said(told) == ["I look.", {"order_id": "A-1"}, {"order_id": "B-2"}]


async def test_blocks_that_come_at_the_same_time(trial: Trial, server: BodyServer) -> None:
    one, two = tool(1, '{"order_id":', '"A-1"}'), tool(2, '{"order_id":', '"B-2"}')
    mixed = [event for pair in zip(one, two, strict=True) for event in pair]
    told = await answered(trial, server, stream(START, *mixed, *end("tool_use")))
    assert said(told) == [{"order_id": "A-1"}, {"order_id": "B-2"}]


async def test_speech_in_a_block_of_another_kind(trial: Trial, server: BodyServer) -> None:
    events = [begin(0, {"type": "text", "text": ""}), delta(0, "thinking_delta", thinking="Hm.")]
    told = await answered(trial, server, stream(START, *events, delta(0, "text_delta", text="Hi"), *END))
    assert sorted(said(told)) == ["(Hm.)", "Hi"]


async def test_a_block_without_a_type_or_a_name(trial: Trial, server: BodyServer) -> None:
    untyped = [begin(0, {"text": ""}), delta(0, "text_delta", text="Hi"), finish(0)]
    nameless = [begin(1, {"type": "tool_use", "id": "t", "input": {}}), delta(1, "input_json_delta", partial_json=A1)]
    told = await answered(trial, server, stream(START, *untyped, *nameless, *end("tool_use")))
    assert (said(told), told.skipped) == (["Hi"], 1)


async def test_what_is_passed_over_is_counted(trial: Trial, server: BodyServer) -> None:
    odd: list[Event] = [
        {"type": "news"},
        delta(0, "shade_delta", shade=1),
        begin(3, {"type": "text"}) | {"content_block": 7},
    ]
    told = await answered(trial, server, stream(START, *text(0, "Hi"), *odd, *END) + b"data: 7\n\n")
    assert told.skipped == 3
    told = await answered(trial, server, stream(START) + b"data: [7]\n\ndata: {\n\n" + stream(*text(0, "Hi"), *END))
    assert told.skipped == 2
    assert (await answered(trial, server, stream(START, *HELLO, *END))).skipped == 0


async def test_what_goes_back_to_its_server(trial: Trial, server: BodyServer) -> None:
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "e"}]}
    cited = {"type": "web_search_result_location", "cited_text": "c", "encrypted_index": "i"}
    redacted = {"type": "redacted_thinking", "data": "r"}
    events = [
        *thinking(0, "Signed.", signature="s"),
        *thinking(1, "Not signed.", signature=""),
        *block(2, redacted),
        *block(3, search, {"type": "input_json_delta", "partial_json": '{"query": "x"}'}),
        *block(4, found),
        *block(
            5,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "So."},
            {"type": "citations_delta", "citation": cited},
        ),
        *text(6, "Plain."),
        *tool(7, A1, caller={"type": "direct"}),
    ]
    told = await answered(trial, server, stream(START, *events, *end("tool_use")))

    def native(part: Any) -> Any:
        assert part.native is None or part.native == Native(api=API, block=part.native.block)
        return part.native and part.native.block

    assert list(map(native, told.parts)) == [
        {"type": "thinking", "thinking": "Signed.", "signature": "s"},
        {"type": "thinking", "thinking": "Not signed."},
        redacted,
        search | {"input": {"query": "x"}},
        found,
        {"type": "text", "text": "So.", "citations": [cited]},
        None,
        {"type": "tool_use", "id": "toolu_7", "name": "find_order", "input": FOUND, "caller": {"type": "direct"}},
    ]
    # Of an answer that was cut, nothing goes back of which a part may be missing.
    told = await answered(trial, server, stream(START, *events, *end("max_tokens")))
    thoughts = [native(part) for part in told.parts if isinstance(part, Reasoning)]
    assert thoughts == [{"type": "thinking", "thinking": "Signed.", "signature": "s"}, None, redacted]
    told = await answered(trial, server, stream(START, *events[:-3], *end("pause_turn")))
    assert (told.stop, len(told.parts)) == ("pause", 7)


async def test_more_blocks_than_any_answer_has(trial: Trial, server: BodyServer) -> None:
    calls = [event for n in range(1200) for event in tool(n, f'{{"order_id":"{n}"}}')]
    told = await answered(trial, server, stream(START, *calls, *end("tool_use")))
    # Of each of the others, the start, the fragment and the stop.
    assert (len(told.parts), told.skipped) == (1000, 600)


async def test_half_an_emoji(trial: Trial, server: BodyServer) -> None:
    events = [
        *text(0, "a\ud83d", "\ude00b"),
        *tool(1, '{"order_id":"\ud83d"}'),
        *block(2, {"type": "x", "y": "\udc00"}),
    ]
    told = await answered(trial, server, stream(START, *events, *end("tool_use")))
    assert said(told) == ["a??b", {"order_id": "?"}, "()"]
    last = told.parts[-1]
    assert isinstance(last, Reasoning)
    assert last.native is not None
    assert last.native.block == {"type": "x", "y": "\ufffd"}


async def test_values_that_no_history_can_hold(trial: Trial, server: BodyServer) -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    for value in (deep, float("nan"), float("inf"), 10**400):
        told = await answered(trial, server, stream(START, *block(0, {"type": "x", "y": value}), *text(1, "Hi"), *END))
        assert said(told) == ["()", "Hi"]
        told = await answered(trial, server, stream(START, *tool(0, input={"order_id": value}), *end("tool_use")))
        assert said(told) in (["not whole"], [{"order_id": 10**400}])


@pytest.mark.parametrize(
    ("block", "refusal", "adapted"),
    [
        (
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            ("thinking of before: left out",),
        ),
        (
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            "messages.1: `web_search` tool use with id srvtoolu_1 was found without a result block",
            ("blocks of unknown types: left out",),
        ),
    ],
)
async def test_own_blocks_that_their_server_refuses_later(
    trial: Trial, server: BodyServer, block: Event, refusal: str, adapted: tuple[str, ...]
) -> None:
    prompt = trial.prompt(server.url)
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": refusal}}
    server.give(Body(json.dumps(error).encode(), JSON, status=400), stream(START, *text(0, "Hi"), *END))
    said_before = (Reasoning(native=Native(api=API, block=block)), Text(text="Well."))
    history = (
        message_of("user", Text(text="go")),
        message_of("assistant", *said_before),
        message_of("user", Text(text="on")),
    )
    items = [item async for item in trial.wire.stream(trial.wire.request(prompt, history), prompt, "t1.s1")]
    told = items[-1]
    assert isinstance(told, Answer)
    assert told.adapted == adapted
    first, second = (json.loads(request)["messages"][1]["content"] for request in server.requests[-2:])
    assert first == [block, {"type": "text", "text": "Well."}]
    assert second == [{"type": "text", "text": "Well."}]
