"""Odd chunks and odd ends of Chat Completions, as real servers send them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.activities.models.wire import Delta
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import File, Text, Usage
from tests.support.body_server import JSON, Body
from tests.support.chat import Chat, called, calls, chatting, chunk, reasoning, stream, text

HI = chunk({"content": "Hi"})
STOP = chunk({}, "stop")
CALL = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with chatting() as made:
        yield made


@pytest.mark.parametrize(
    "odd",
    [
        chunk(),
        chunk(finish=None) | {"choices": [{"index": 0, "delta": None, "content_filter_results": {}}]},
        chunk() | {"choices": None},
        chunk() | {"choices": []},
        chunk({"content": None}),
        chunk({"role": "assistant", "content": ""}),
        chunk() | {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        "data:\n\n",
        "data: \n\n",
        ": OPENROUTER PROCESSING\n\n",
        "event: ping\n\n",
        "\n\n\n",
        'data:{"choices":[]}\n\n',
        'event: message\r\ndata: {"choices":[]}\r\n\r\n',
    ],
)
async def test_chunks_that_say_nothing(chat: Chat, odd: Any) -> None:
    told = await chat.of(odd, HI, odd, STOP, odd)
    assert (text(told.parts), told.stop, told.skipped) == ("Hi", "end", 0)


@pytest.mark.parametrize(
    "odd",
    [
        chunk() | {"choices": ["x"]},
        chunk() | {"choices": 7},
        {"type": "ping"},
        chunk("text"),
        chunk([1]),
        chunk({"content": 7}),
        chunk({"content": [7]}),
        chunk({"content": [{"type": "image", "data": "x"}]}),
        chunk({"tool_calls": ["x"]}),
        chunk({"refusal": None}, 7),
        chunk({"content": "another"}) | {"choices": [{"index": 1, "delta": {"content": "another"}}]},
        "data: 7\n\n",
        "data: [1, 2]\n\n",
        "data: keep-alive\n\n",
        'data: {"choices": [{"de\n\n',
    ],
)
async def test_shapes_that_nobody_knows_are_passed_over_and_counted(chat: Chat, odd: Any) -> None:
    told = await chat.of(HI, odd, STOP)
    assert (text(told.parts), told.stop, told.skipped) == ("Hi", "end", 1)


@pytest.mark.parametrize(
    ("said", "thought", "shown"),
    [
        # Mistral.
        (
            [
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Okay"}]}]},
                {"content": [{"type": "text", "text": "Hi"}]},
            ],
            "Okay",
            "Hi",
        ),
        ([{"content": [{"type": "reasoning", "text": "Okay"}, {"type": "output_text", "text": "Hi"}]}], "Okay", "Hi"),
        ([{"content": {"type": "text", "text": "Hi"}}], "", "Hi"),
        ([{"content": ["Hi", {"text": " there"}]}], "", "Hi there"),
        ([{"reasoning_content": "Okay"}, {"content": "Hi", "reasoning_content": None}], "Okay", "Hi"),
        ([{"reasoning": "Okay", "content": "Hi"}], "Okay", "Hi"),
        ([{"thinking": "Okay"}, {"content": "Hi"}], "Okay", "Hi"),
        # The same text under two names.
        ([{"reasoning": "Ok", "reasoning_content": "Ok"}, {"reasoning": "ay", "reasoning_content": "ay"}], "Okay", ""),
        ([{"reasoning": "Okay", "reasoning_details": [{"type": "reasoning.text", "text": "Okay"}]}], "Okay", ""),
        ([{"reasoning_details": [{"type": "reasoning.summary", "summary": "Okay"}]}, {"content": "Hi"}], "Okay", "Hi"),
        ([{"reasoning": {"content": "Okay"}}, {"content": "Hi"}], "Okay", "Hi"),
        # Tags.
        ([{"content": "<thi"}, {"content": "nk>Okay</think"}, {"content": ">\n\nHi"}], "Okay", "Hi"),
        ([{"content": "Okay\n"}, {"content": "</think>"}, {"content": "\n\nHi"}], "Okay", "Hi"),
        ([{"content": "Use `<think>`."}], "", "Use `<think>`."),
        ([{"reasoning_content": "Okay"}, {"content": "</think>\n\nHi"}], "Okay", "Hi"),
    ],
)
async def test_where_reasoning_and_text_stand(chat: Chat, said: list[Any], thought: str, shown: str) -> None:
    told = await chat.of(*map(chunk, said), STOP)
    assert (reasoning(told.parts), text(told.parts), told.skipped) == (thought, shown, 0)


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["\ud83d", "", "\ude00"], "😀"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["\ude00b"], "\ufffdb"),
        (["a\ud83d"], "a"),
        (["日", "本"], "日本"),
    ],
)
async def test_halves_of_an_emoji(chat: Chat, pieces: list[str], shown: str) -> None:
    told = await chat.of(*(chunk({"content": piece, "reasoning": piece}) for piece in pieces), STOP)
    assert (text(told.parts), reasoning(told.parts)) == (shown, shown)


async def test_what_was_held_back_is_shown_in_the_end(chat: Chat) -> None:
    items = await chat.play(stream(chunk({"content": "a <thi"}), STOP))
    assert [item.text for item in items if isinstance(item, Delta)] == ["a ", "<thi"]


@pytest.mark.parametrize(
    "chunks",
    [
        [HI],
        [chunk({"content": "Hi"}, "")],
        [chunk({"content": "Hi"}, "null")],
    ],
)
async def test_done_is_an_end_and_a_lost_connection_is_none(chat: Chat, chunks: list[Any]) -> None:
    told = await chat.of(*chunks)
    assert (text(told.parts), told.stop) == ("Hi", "end")
    for body in (stream(*chunks, done=False), Body(stream(*chunks, done=False), broken=True)):
        failure = await chat.failure(body)
        assert failure.kind in (errors.MODEL_STREAM_TRUNCATED, errors.MODEL_CONNECTION)
        assert failure.retryable


async def test_a_reason_is_an_end_without_done(chat: Chat) -> None:
    assert (await chat.of(HI, STOP, done=False)).stop == "end"
    assert (await chat.answer(stream(HI, STOP, done=False).rstrip())).stop == "end"
    assert (
        await chat.of(chunk({"content": "Hi"}) | {"choices": [{"text": "Hi", "finish_reason": "eos"}]})
    ).stop == "end"


async def test_once_it_has_ended_a_lost_connection_takes_nothing(chat: Chat) -> None:
    for end in (STOP, "data: [DONE]\n\n"):
        told = await chat.answer(Body(stream(HI, end, done=False), broken=True))
        assert (text(told.parts), told.stop) == ("Hi", "end")
    # One that gives its reason with each chunk has not ended.
    failure = await chat.failure(
        Body(stream(chunk({"content": "H"}, "stop"), chunk({"content": "i"}, "stop"), done=False), broken=True)
    )
    assert failure.kind == errors.MODEL_CONNECTION
    assert (await chat.of(HI, "data: [DONE]\n\n", {"error": "late"})).stop == "end"


async def test_calls_under_any_good_word_and_none(chat: Chat) -> None:
    for word in ("stop", "tool_calls", "function_call", "STOP", "tool_use", None):
        told = await chat.of(called(CALL, finish=word))
        assert (told.stop, calls(told.parts)) == ("tool_calls", [("f", {"a": 1})])
    told = await chat.of(called(CALL), chunk({}, "length"))
    assert (told.stop, calls(told.parts)) == ("max_tokens", [("f", {"a": 1})])


async def test_a_lost_piece_of_an_answer_with_calls(chat: Chat) -> None:
    """What was cut may have been an argument."""
    failure = await chat.failure(stream(called(CALL), 'data: {"choices": [{"de\n\n', STOP))
    assert failure.kind == errors.MODEL_STREAM_TRUNCATED
    assert calls((await chat.of(called(CALL), "data: keep-alive\n\n", STOP)).parts) == [("f", {"a": 1})]


def whole(**more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Hi", "reasoning_content": "Okay", "tool_calls": [CALL]}
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return {"id": "c", "object": "chat.completion", "model": "m2", "choices": [choice], "usage": usage, **more}


async def test_a_json_body_in_place_of_a_stream(chat: Chat) -> None:
    for content_type in (JSON, "text/event-stream"):
        told = await chat.answer(Body(json.dumps(whole(), indent=1).encode(), content_type))
        assert (reasoning(told.parts), text(told.parts), calls(told.parts)) == ("Okay", "Hi", [("f", {"a": 1})])
        assert (told.stop, told.model, told.usage) == ("tool_calls", "m2", Usage(input_tokens=7, output_tokens=3))
    bare = await chat.of_json({"choices": [{"message": {"content": "Hi"}}]})
    assert (text(bare.parts), bare.stop) == ("Hi", "end")
    cut = await chat.failure(Body(json.dumps(whole()).encode()[:90], JSON))
    assert cut.kind == errors.MODEL_STREAM_TRUNCATED


async def test_a_message_in_place_of_a_delta(chat: Chat) -> None:
    def said(content: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "message": {"content": content}, "finish_reason": finish, **more}]}

    assert text((await chat.of(said("Hel"), said("lo"), said("", "stop"))).parts) == "Hello"
    # Once more at the end.
    assert text((await chat.of(chunk({"content": "Hello"}), said("Hello", "stop", delta={}))).parts) == "Hello"
    assert text((await chat.of(said("Hel"), said("Hello", "stop"))).parts) == "Hello"
    # A fragment under another name is no whole message.
    for body in (
        stream(said("Hel") | {"object": "chat.completion.chunk"}, done=False),
        stream(said("Hel"), said("lo"), done=False),
    ):
        assert (await chat.failure(body)).kind == errors.MODEL_STREAM_TRUNCATED
    # One message a line, as Ollama's own API has it.
    told = await chat.answer(
        b'{"message":{"content":"Hel"},"done":false}\n{"message":{"content":"lo"},"done":true,"done_reason":"stop"}\n'
    )
    assert (text(told.parts), told.stop) == ("Hello", "end")


async def test_pictures_that_the_model_made(chat: Chat) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    file = File(uri="data:image/png;base64,aGk=", media_type="image/png", name="image-1.png")
    for said in ({"content": "Here.", "images": [picture]}, {"content": ["Here.", picture]}):
        told = await chat.of(chunk(said), chunk(said | {"content": None}), STOP)
        assert (told.parts, told.skipped) == ((Text(text="Here."), file), 0)
    told = await chat.of(chunk({"images": [picture | {"image_url": {"url": "https://example.com/a.png"}}, 7]}), STOP)
    assert (told.parts, told.skipped) == ((), 2)


async def test_a_refusal(chat: Chat) -> None:
    told = await chat.of(chunk({"refusal": "I must not."}), STOP)
    assert (text(told.parts), told.stop) == ("I must not.", "refusal")
    told = await chat.of(chunk({"content": [{"type": "refusal", "refusal": "No."}]}), STOP)
    assert (text(told.parts), told.stop) == ("No.", "refusal")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ({"error": {"message": "Overloaded", "type": "overloaded_error"}}, errors.MODEL_OVERLOADED, ""),
        ({"error": {"message": "Slow down", "code": 429}}, errors.MODEL_RATE_LIMITED, ""),
        ({"error": "CUDA out of memory"}, errors.MODEL_SERVER_ERROR, "CUDA out of memory"),
        (
            {"error": {"message": "too long", "code": "context_length_exceeded"}},
            errors.MODEL_CONTEXT_LENGTH,
            "too long",
        ),
        ({"object": "error", "message": "Bad one", "type": "BadRequestError", "code": 400}, None, "Bad one"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, errors.MODEL_OVERLOADED, ""),
        ({"detail": "Internal failure"}, errors.MODEL_SERVER_ERROR, "Internal failure"),
        ({"code": "1302", "message": "Too busy"}, errors.MODEL_SERVER_ERROR, "Too busy"),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "choices": None}, None, "balance"),
        ({"errors": [{"message": "No such thing", "code": 404}]}, errors.MODEL_NOT_FOUND, "No such thing"),
        (
            {
                "error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "upstream died"}},
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            },
            errors.MODEL_SERVER_ERROR,
            "Provider returned error: upstream died",
        ),
        (
            {
                "choices": [
                    {"index": 0, "delta": {}, "error": {"code": 503, "message": "gone"}, "finish_reason": "error"}
                ]
            },
            errors.MODEL_SERVER_ERROR,
            "gone",
        ),
    ],
)
async def test_errors_inside_of_an_answer(chat: Chat, error: dict[str, Any], kind: str | None, words: str) -> None:
    for body in (stream(HI, error), stream(error, done=False), Body(json.dumps(error).encode(), JSON)):
        failure = await chat.failure(body)
        assert kind is None or failure.kind == kind
        assert words in failure.message


async def test_an_error_event_by_its_name(chat: Chat) -> None:
    failure = await chat.failure(stream(HI, 'event: error\ndata: {"message": "it broke"}\n\n'))
    assert "it broke" in failure.message
    failure = await chat.failure(stream(HI, "event: error\ndata: it broke\n\n"))
    assert "it broke" in failure.message


async def test_no_error_at_all(chat: Chat) -> None:
    fine: list[Any] = [
        *(None, "", {}, False, "success", "None", {"message": "", "code": None}, {"code": 0, "message": "OK"}),
        *({"code": "0", "message": "success"}, {"code": 200, "msg": "Success.", "type": ""}, {"status_code": 0}),
    ]
    for none in fine:
        told = await chat.of(chunk({"content": "Hi"}, error=none), STOP)
        assert text(told.parts) == "Hi"
        told = await chat.of(chunk({"content": "Hi"}), {"choices": [], "code": 200, "message": "success"}, STOP)
        assert text(told.parts) == "Hi"


@pytest.mark.parametrize(
    "error", [{"code": "0", "message": "It broke."}, {"code": 500}, {"message": "success", "code": "quota"}, {"x": 1}]
)
async def test_an_error_in_part(chat: Chat, error: dict[str, Any]) -> None:
    assert (await chat.failure(stream(HI, chunk({}, error=error), STOP))).message


async def test_an_answer_that_its_server_gave_up(chat: Chat) -> None:
    failure = await chat.failure(stream(HI, chunk({}, "insufficient_system_resource")))
    assert failure.kind == errors.MODEL_ABORTED


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
COUNTED = Usage(input_tokens=7, output_tokens=3)


@pytest.mark.parametrize(
    "chunks",
    [
        [STOP, {"choices": [], "usage": USAGE}],
        [chunk({}, "stop", usage=USAGE), {"choices": [], "usage": None}],
        [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}],
        [chunk({}, "stop", x_groq={"id": "r", "usage": USAGE})],
        [chunk({}, "stop", timings={"prompt_n": 5, "cache_n": 2, "predicted_n": 3}, usage=USAGE)],
        [chunk({}, usage={"prompt_tokens": 7, "completion_tokens": 1}), chunk({}, "stop", usage=USAGE)],
        [STOP, "data: [DONE]\n\n", {"choices": [], "usage": USAGE}],
        [{"usage": USAGE}, STOP],
    ],
)
async def test_where_usage_stands(chat: Chat, chunks: list[Any]) -> None:
    told = await chat.of(HI, *chunks)
    assert (told.usage, told.skipped) == (COUNTED, 0)


async def test_the_timings_of_llama_cpp_where_usage_is_missing(chat: Chat) -> None:
    told = await chat.of(HI, chunk({}, "stop", timings={"prompt_n": 5, "cache_n": 2, "predicted_n": 3}))
    assert told.usage == Usage(input_tokens=7, cached_tokens=2, output_tokens=3)
