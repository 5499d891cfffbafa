"""Erasing sessions over real HTTP: every run, every blob, and repeatedly."""

import asyncio
import uuid
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.sessions.runs import run_exists, runs_of
from tests.support.dev import Dev
from tests.support.session_client import Sessions, told

pytestmark = pytest.mark.server

BIG = "word " * 20_000


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    """Sessions that continue as new after every few turns."""
    return {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_CONTINUE_AS_NEW_AFTER": "50",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def temporal(dev: Dev) -> Client:
    return await Client.connect(f"127.0.0.1:{dev.temporal_port}")


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


def blobs(dev: Dev, session: str) -> list[Path]:
    folder = dev.data_dir / "blobs" / "default" / session
    return [path for path in folder.rglob("*") if path.is_file()]


async def long_session(sessions: Sessions) -> str:
    """A session with several runs."""
    session = await sessions.create(message=BIG)
    for turn in range(8):
        await sessions.ask(session, f"turn {turn}")
    return session


async def erase(http: httpx2.AsyncClient, session: str) -> int:
    return (await http.delete(f"/v1/sessions/{session}?erase=true")).status_code


async def test_every_run_and_blob_goes_and_again_is_the_same(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, temporal: Client
) -> None:
    session, other = await long_session(sessions), await sessions.create(message=BIG)
    runs = await runs_of(temporal, f"default/{session}")
    assert len(runs) >= 3
    assert blobs(dev, session)

    assert await erase(http, session) == 200

    assert [await run_exists(temporal, f"default/{session}", run) for run in runs] == [False] * len(runs)
    assert blobs(dev, session) == []
    for answer in (
        await http.get(f"/v1/sessions/{session}"),
        await http.get(f"/v1/sessions/{session}/events"),
        await http.post(f"/v1/sessions/{session}/messages", json={"text": "hi"}),
        await http.delete(f"/v1/sessions/{session}"),
    ):
        assert told(answer) == (404, "session_not_found")
    assert await erase(http, session) == 200
    assert (await sessions.snapshot(other))["status"] == "idle"
    assert blobs(dev, other)


async def test_a_turn_that_streams_is_stopped_first_and_viewers_are_cut(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(Reply(fault="stall"))
    session = await sessions.create(message="hi")
    async with sessions.view(session) as viewer:
        await viewer.until_streaming()
        assert await erase(http, session) == 200
        await viewer.until("session.closed")

    assert provider.calls[-1].closed_at is not None
    assert told(await http.get(f"/v1/sessions/{session}/events")) == (404, "session_not_found")


async def test_what_an_earlier_erasing_left_is_found(
    http: httpx2.AsyncClient, sessions: Sessions, temporal: Client
) -> None:
    session = f"default/{await long_session(sessions)}"
    runs = await runs_of(temporal, session)
    await temporal.get_workflow_handle(session).terminate()
    request = DeleteWorkflowExecutionRequest(
        namespace="default", workflow_execution=WorkflowExecution(workflow_id=session, run_id=runs[-1])
    )
    await temporal.workflow_service.delete_workflow_execution(request)
    async with asyncio.timeout(20):
        while await run_exists(temporal, session, runs[-1]):
            pass

    assert await erase(http, session.removeprefix("default/")) == 200

    assert [await run_exists(temporal, session, run) for run in runs] == [False] * len(runs)


async def test_the_id_can_be_used_again(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await sessions.create(message="hi")

    answers = await asyncio.gather(*(erase(http, session) for _ in range(3)))
    again = await sessions.create(session_id=session)

    assert answers == [200, 200, 200]
    assert (await sessions.snapshot(again))["messages"] == []


async def test_what_never_was_is_as_good_as_erased(http: httpx2.AsyncClient) -> None:
    assert await erase(http, uuid.uuid4().hex) == 200


@pytest.mark.parametrize("given", ["yes", "1", "", "True"])
async def test_only_true_and_false_are_taken(http: httpx2.AsyncClient, sessions: Sessions, given: str) -> None:
    session = await sessions.create()

    answer = await http.delete(f"/v1/sessions/{session}?erase={given}")

    assert told(answer) == (422, "validation")
    assert [error["field"] for error in answer.json()["errors"]] == ["erase"]
    assert (await sessions.snapshot(session))["status"] == "idle"
    assert (await http.delete(f"/v1/sessions/{session}?erase=false")).status_code == 202
