"""OpenAI's clients at the door: who calls, limits, and refusals in OpenAI's words."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio

from perdure.activities.models.failures import ModelFailure
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


async def test_agents_are_models(door: Door) -> None:
    async with door.client() as client:
        models = [model.id async for model in client.models.list()]
        assert {"helper", "boss"} <= set(models)
        assert (await client.models.retrieve("helper")).owned_by == "perdure"
        with pytest.raises(openai.NotFoundError) as refused:
            await client.models.retrieve("nobody")
        assert refused.value.code == "agent_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"instructions": "Be rude."}, "instructions"),
        ({"temperature": 0.2}, "temperature"),
        ({"store": False}, "store"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"input": [{"role": "assistant", "content": "I said so."}]}, "input[0]"),
        ({"input": [{"role": "system", "content": "Be rude."}]}, "input[0]"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "previous_response_id"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"extra_body": {"nonsense": 1}}, "nonsense"),
        ({"extra_body": {"inputs": {"nobody": 1}}}, "inputs.nobody"),
    ],
)
async def test_what_cannot_be_carried_out_is_refused(door: Door, body: dict[str, Any], param: str) -> None:
    async with door.client("sk-server") as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(**{"model": "helper", "input": "Hi", **body})
        assert (refused.value.param, refused.value.code) == (param, "validation")
        assert refused.value.type == "invalid_request_error"


async def test_what_is_not_there_is_not_found(door: Door) -> None:
    async with door.client() as client:
        with pytest.raises(openai.NotFoundError) as refused:
            await client.responses.create(model="nobody", input="Hi")
        assert refused.value.code == "agent_not_found"
        for call in (
            client.responses.retrieve("resp_nothing"),
            client.responses.cancel("resp_nothing"),
            client.responses.create(model="helper", input="Hi", previous_response_id="resp_nothing"),
        ):
            with pytest.raises(openai.NotFoundError) as refused:
                await call
            assert refused.value.code == "response_not_found"
        with pytest.raises(openai.NotFoundError) as refused:
            await client.responses.create(model="helper", input="Hi", conversation="nowhere")
        assert refused.value.code == "session_not_found"


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


async def test_a_response_whose_sub_agent_waits_for_a_person_is_shown_as_it_is(door: Door) -> None:
    door.lab.stage.plays = [
        *(Play(calls=[("helper", {"message": "Book"})]), Play(calls=[("book", {"size": 5})])),
        *(Play("Booked."), Play("All done.")),
    ]
    async with door.client() as client:
        response = await client.responses.create(model="boss", input="Book")
        assert (response.status, [item.type for item in response.output]) == ("in_progress", ["mcp_call"])
        assert response.metadata is not None
        url = f"{door.url}/sessions"
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer sk-ann"}) as http:
            above = (await http.get(f"{url}/{response.metadata['session_id']}")).json()
            (asks,) = above["sub_questions"]
            body = {"question_id": asks["question_id"], "approved": True}
            answered = await http.post(f"{url}/{asks['session_id']}/answers", json=body)
            assert answered.status_code == 202, answered.text
        done = [event async for event in await client.responses.retrieve(response.id, stream=True)][-1]
    assert done.type == "response.completed"
    assert done.response.output_text == "All done."


async def test_an_upload_goes_into_a_response_by_its_id(door: Door) -> None:
    async with door.client() as client:
        file = await client.files.create(file=("notes.txt", b"Plants need light.", "text/plain"), purpose="user_data")
        content: Any = [{"type": "input_file", "file_id": file.id}, {"type": "input_text", "text": "Read it."}]
        response = await client.responses.create(model="helper", input=[{"role": "user", "content": content}])
    assert response.status == "completed"
    given = door.lab.stage.requests[-1][-1].parts
    assert [(part.type, getattr(part, "name", None)) for part in given] == [("file", "notes.txt"), ("text", None)]


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
