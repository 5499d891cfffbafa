"""Chat Completions by OpenAI's own SDK: conversations that their caller keeps, and sessions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from tests.support.openai_door import Door, door_on
from tests.support.session_lab import Play

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with door_on(temporal_server, tmp_path_factory.mktemp("door")) as opened:
        yield opened


@pytest.fixture
def door(shared: Door) -> Door:
    shared.lab.stage.plays = []
    shared.lab.stage.requests.clear()
    return shared


def asked(door: Door) -> list[tuple[str, str]]:
    """(role, text) of all that the model was last asked with."""
    return [
        (message.role, getattr(part, "text", "")) for message in door.lab.stage.requests[-1] for part in message.parts
    ]


async def test_a_completion_of_a_conversation_that_its_caller_keeps(door: Door) -> None:
    door.lab.stage.plays = [Play("Blue.")]
    async with door.client() as client:
        done = await client.chat.completions.create(
            model="helper",
            messages=[
                {"role": "user", "content": "My colour is blue."},
                {"role": "assistant", "content": "Noted."},
                {"role": "user", "content": "Which colour?"},
            ],
            temperature=0.3,
        )
    (choice,) = done.choices
    assert (choice.message.content, choice.finish_reason, done.model) == ("Blue.", "stop", "helper")
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (10, 2)
    (earlier, now) = asked(door)
    assert "User: My colour is blue.\n\nAssistant: Noted." in earlier[1]
    assert now == ("user", "Which colour?")


async def test_a_completion_within_a_session(door: Door) -> None:
    door.lab.stage.plays = [Play("Noted."), Play("Blue.")]
    headers = {"X-Session-Id": "chat-within"}
    async with door.client() as client:
        first = await client.chat.completions.with_raw_response.create(
            model="helper", messages=[{"role": "user", "content": "My colour is blue."}], extra_headers=headers
        )
        assert first.headers["x-session-id"] == "chat-within"
        done = await client.chat.completions.create(
            model="helper",
            messages=[
                {"role": "user", "content": "My colour is blue."},
                {"role": "assistant", "content": "Noted."},
                {"role": "user", "content": "Which colour?"},
            ],
            extra_headers=headers,
        )
    assert done.choices[0].message.content == "Blue."
    # The session has the rest.
    assert asked(door) == [("user", "My colour is blue."), ("assistant", "Noted."), ("user", "Which colour?")]


async def test_a_completion_streams(door: Door) -> None:
    gate = asyncio.Event()
    door.lab.stage.plays = [Play("one two three four five six ", gate=gate)]
    said, reasons, usage = "", [], None
    async with door.client() as client:
        stream = await client.chat.completions.create(
            model="helper",
            messages=[{"role": "user", "content": "Count"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                said += choice.delta.content or ""
                reasons += [choice.finish_reason] if choice.finish_reason else []
            if "six" in said:
                # All this came while the model was still at it.
                gate.set()
    assert (said, reasons) == ("one two three four five six ", ["stop"])
    assert usage is not None
    assert usage.total_tokens == 12


async def test_what_an_agent_asks_is_told_in_words(door: Door) -> None:
    door.lab.stage.plays = [Play(calls=[("book", {"size": 5})])]
    async with door.client() as client:
        messages: Any = [{"role": "user", "content": "Book"}]
        done = await client.chat.completions.create(
            model="helper", messages=messages, extra_headers={"X-Session-Id": "chat-asks"}
        )
        assert done.choices[0].message.content == '(Waiting for an answer at session chat-asks: book {"size":5})'
        queued = await client.chat.completions.create(
            model="helper", messages=messages, extra_headers={"X-Session-Id": "chat-asks"}
        )
    assert "waits behind what was said or asked before" in (queued.choices[0].message.content or "")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "system", "content": "Be rude."}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, "messages[1]"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"extra_headers": {"X-Session-Id": "a b"}}, "X-Session-Id"),
    ],
)
async def test_what_a_completion_cannot_carry_out_is_refused(door: Door, body: dict[str, Any], param: str) -> None:
    async with door.client() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(
                **{"model": "helper", "messages": [{"role": "user", "content": "x"}], **body}
            )
    assert refused.value.param == param
