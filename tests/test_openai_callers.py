"""OpenAI's clients at the door: chat completions, who calls, limits, and refusals in OpenAI's words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from starlette.requests import HTTPConnection

from perdure.activities.models.failures import ModelFailure
from perdure.gateway.app import create_app
from perdure.gateway.http.problems import Problem
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from tests.support.house import ANN, OWN
from tests.support.serving import serve
from tests.support.session_lab import PATIENCE_S, Lab, Play, lab_on

pytestmark = pytest.mark.server

KNOWN = {
    "sk-ann": ANN,
    "sk-bob": Principal("lab", "bob", OWN),
    "sk-server": Principal("lab", None, tuple(f"{scope}:any" for scope in OWN), actor="key:3"),
    "sk-other": Principal("other", "ann", OWN),
    "sk-reader": Principal("lab", "ann", ("session:read",)),
}


async def by_key(request: HTTPConnection) -> Principal:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key not in KNOWN:
        raise Problem("unauthenticated", "The key is not known.")
    return KNOWN[key]


@dataclass
class Door:
    lab: Lab
    url: str

    def client(self, key: str = "sk-ann", **options: Any) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=PATIENCE_S, **options)


@asynccontextmanager
async def door_on(server: DevServer, folder: Any, **settings: Any) -> AsyncIterator[Door]:
    async with lab_on(server, folder, **settings) as lab:
        app = create_app(
            client=lab.client,
            live=lab.live,
            blobs=lab.parts.blobs,
            definitions=lab.parts.definitions,
            settings=lab.parts.settings,
            authenticate=by_key,
            limits=lab.limits,
        )
        async with serve(app) as port:
            yield Door(lab, f"http://127.0.0.1:{port}/v1")
            app.state.watches.cut()


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
    assert "Not finished yet" in (queued.choices[0].message.content or "")


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


async def test_whose_response_it_is(door: Door) -> None:
    async with door.client() as ann, door.client("sk-bob") as bob, door.client("sk-other") as other:
        made = await ann.responses.create(model="helper", input="Hi")
        for stranger in (bob, other):
            for call in (
                stranger.responses.retrieve(made.id),
                stranger.responses.cancel(made.id),
                stranger.responses.create(model="helper", input="Hi", previous_response_id=made.id),
                stranger.responses.create(model="helper", input="Hi", conversation=made.metadata["session_id"]),  # type: ignore[index]
            ):
                with pytest.raises(openai.NotFoundError):
                    await call
    async with door.client("sk-server") as server, door.client("sk-reader") as reader, door.client("sk-bob") as bob:
        assert (await reader.responses.retrieve(made.id)).id == made.id
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await reader.responses.create(model="helper", input="Hi")
        assert (refused.value.code, refused.value.type) == ("forbidden", "permission_error")
        for_bob = await server.responses.create(model="helper", input="Hi", safety_identifier="bob")
        assert (await bob.responses.retrieve(for_bob.id)).id == for_bob.id
        with pytest.raises(openai.PermissionDeniedError):
            await bob.responses.create(model="helper", input="Hi", safety_identifier="ann")
        with pytest.raises(openai.BadRequestError) as wrong:
            await server.responses.create(model="helper", input="x", previous_response_id=for_bob.id, user="ann")
        assert wrong.value.param == "user"


async def test_a_stranger_and_a_huge_body_are_told_in_openai_s_words(door: Door) -> None:
    async with door.client("sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.responses.create(model="helper", input="Hi")
    assert (refused.value.code, refused.value.type) == ("unauthenticated", "authentication_error")
    async with door.client() as client:
        with pytest.raises(openai.APIStatusError) as large:
            await client.responses.create(model="helper", input="x" * (11 * 1024 * 1024))
    assert (large.value.status_code, large.value.code) == (413, "body_too_large")


async def test_limits_are_those_of_all_routes(temporal_server: DevServer, tmp_path: Any) -> None:
    async with door_on(temporal_server, tmp_path, streams_per_principal=1) as door, door.client() as client:
        gate = asyncio.Event()
        door.lab.stage.plays = [Play("Once ", gate=gate)]
        stream = await client.responses.create(model="helper", input="Hi", stream=True)
        await anext(aiter(stream))
        for call in (
            client.responses.create(model="helper", input="Hi", stream=True),
            client.chat.completions.create(model="helper", messages=[{"role": "user", "content": "Hi"}]),
        ):
            with pytest.raises(openai.RateLimitError) as refused:
                await call
            assert (refused.value.code, refused.value.type) == ("too_many_streams", "rate_limit_error")
            assert refused.value.response.headers["retry-after"]
        gate.set()
        events = [event async for event in stream]
    assert events[-1].type == "response.completed"


async def test_a_turn_that_fails(door: Door) -> None:
    door.lab.stage.plays = [Play("So ", stop="refusal"), Play("So ", stop="refusal")]
    async with door.client() as client:
        cut = await client.responses.create(model="helper", input="Hi")
        assert (cut.status, cut.incomplete_details and cut.incomplete_details.reason) == (
            "incomplete",
            "content_filter",
        )
        broken = ModelFailure(kind="model_auth", message="The key is not valid.", provider="demo")
        door.lab.stage.plays = [Play("So ", error=broken) for _ in range(3)]
        failed = await client.responses.create(model="helper", input="Hi")
        assert (failed.status, failed.error and failed.error.code) == ("failed", "server_error")
        messages: Any = [{"role": "user", "content": "Hi"}]
        with pytest.raises(openai.InternalServerError) as refused:
            await client.chat.completions.create(model="helper", messages=messages)
        assert refused.value.response.headers["x-should-retry"] == "false"
        stream = await client.chat.completions.create(model="helper", messages=messages, stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass
