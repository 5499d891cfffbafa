"""A turn's calls to Temporal are counted, because each call costs both sides more than its answer is worth."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
)
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.assembly import make_app
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.workflows.session import SessionWorkflow
from tests.support.session_client import Sessions, texts
from tests.support.session_lab import open_lab

pytestmark = pytest.mark.server


class Calls(Interceptor):
    """Counts a client's queries and signals by name, and its describe calls."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return _Counting(next, self.made)


class _Counting(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, made: Counter[str]) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._made = made

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        self._made[input.query] += 1
        return await super().query_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 - the SDK's name
        self._made[input.signal] += 1
        await super().signal_workflow(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        self._made["describe"] += 1
        return await super().describe_workflow(input)


@asynccontextmanager
async def gateway(server: DevServer, folder: Path, *, whole: bool) -> AsyncIterator[tuple[Sessions, Counter[str]]]:
    calls = Calls()
    settings = Settings(data_dir=folder, graceful_shutdown_s=0)
    client = await connect(settings, address=server.address, interceptors=[calls])
    async with open_lab(client, folder, settings) as lab:
        lab.live.whole = whole
        app = make_app(client, lab.live, lab.parts, host="127.0.0.1", temporal_ui=None)
        serving = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
        running = asyncio.create_task(serving.serve())
        async with asyncio.timeout(10):
            while not serving.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        port = serving.servers[0].sockets[0].getsockname()[1]
        try:
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
                yield Sessions(http), calls.made
        finally:
            app.state.watches.cut()
            serving.should_exit = True
            await running


@pytest.mark.parametrize("whole", [True, False])
async def test_a_watched_session_that_rests_is_not_asked_for_a_receipt(
    temporal_server: DevServer, tmp_path: Path, whole: bool
) -> None:
    """Only if its worker is in this process; otherwise no signal is sent unless a worker has just answered."""
    async with gateway(temporal_server, tmp_path, whole=whole) as (sessions, made):
        session = await sessions.create("plain")
        async with sessions.view(session) as viewer:
            await viewer.until("session.started")
            for number in range(1, 4):
                await sessions.send(session, f"message {number}")
                await viewer.until("turn.finished", number)
            assert made["send_message"] == 3
            # The first message may come before the watch has received anything from the session.
            assert made["receipt"] in ((0, 1) if whole else (3,))
            await sessions.send(session, "with an id", message_id="mine")
            await sessions.send(session, "with an id", message_id="mine")
            await viewer.until("turn.finished", 4)
            await sessions.http.delete(f"/v1/sessions/{session}")
            await viewer.until("session.closed")
            late = await sessions.http.post(f"/v1/sessions/{session}/messages", json={"text": "too late"})
            assert (late.status_code, late.json()["code"]) == (409, "session_closed")
        said = [text for role, text in texts((await sessions.snapshot(session))["messages"]) if role == "user"]
        assert said == ["message 1", "message 2", "message 3", "with an id"]


async def test_many_at_once_are_still_counted(temporal_server: DevServer, tmp_path: Path) -> None:
    """A watch's knowledge serves one message: concurrent ones query, so that the queue's limit holds."""
    async with gateway(temporal_server, tmp_path, whole=True) as (sessions, made):
        session = await sessions.create("plain")
        async with sessions.view(session) as viewer:
            await viewer.until("session.started")
            await asyncio.gather(*(sessions.send(session, f"message {number}") for number in range(5)))
            await viewer.until("turn.finished", 5)
        assert made["receipt"] >= 4


async def test_whoever_is_looked_on_comes_first(temporal_server: DevServer, tmp_path: Path) -> None:
    client = await connect(Settings(), address=temporal_server.address)

    async def priority(session: str) -> tuple[int, str]:
        found = await client.get_workflow_handle(f"default/{session}").describe()
        given = found.raw_description.workflow_execution_info.priority
        return given.priority_key, given.fairness_key

    async with gateway(temporal_server, tmp_path, whole=True) as (sessions, _):
        alone, watched = await sessions.create("plain"), await sessions.create("plain")
        for _ in range(2):
            async with sessions.view(watched) as viewer:
                await viewer.until("session.started")
        # One that rests has no tasks, however many look at it.
        assert (await priority(alone), await priority(watched)) == ((0, "default"), (0, "default"))
        for count in (1, 2):
            async with sessions.view(watched) as viewer, asyncio.timeout(30):
                await viewer.until("session.started")
                await sessions.send(watched, "hello")
                await viewer.until("turn.finished", count)
                # Among those of one priority, tenants take turns.
                while await priority(watched) != (1, "default"):
                    pass
        await sessions.ask(alone, "hello")
        assert await priority(alone) == (0, "default")
        events = [
            event.event_type async for event in client.get_workflow_handle(f"default/{watched}").fetch_history_events()
        ]
        assert events.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED) == 1
        await sessions.ask(watched, "hello")
        history = await client.get_workflow_handle(f"default/{watched}").fetch_history()
        result = await Replayer(
            workflows=[SessionWorkflow],
            data_converter=client.data_converter,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ).replay_workflow(history)
        assert result.replay_failure is None
