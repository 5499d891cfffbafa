"""Model calls and tools on task queues of their own: workers that take nothing else, and what reaches them."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.workflows.session import SessionWorkflow
from tests.support.apart import Apart, apart
from tests.support.session_client import texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODELS, TOOLS = "model-calls", "tools"
ENDLESS = Reply(text=" ".join(f"word{n}" for n in range(5000)), gap=0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Apart]:
    """One worker for each kind. Each test leaves everything running."""
    queues = {"PERDURE_MODELS_QUEUE": MODELS, "PERDURE_TOOLS_QUEUE": TOOLS}
    workers = [["--queues", kind] for kind in ("sessions", "models", "tools")]
    async with apart(tmp_path_factory.mktemp("queues"), provider, 1, workers, queues) as everything:
        yield everything


@pytest_asyncio.fixture(loop_scope="session")
async def client(running: Apart) -> Client:
    return await connect(Settings(), address=running.environment["TEMPORAL_ADDRESS"])


async def history_of(client: Client, session: str) -> WorkflowHistory:
    return await client.get_workflow_handle(f"default/{session}").fetch_history()


def taken(history: WorkflowHistory) -> dict[str, tuple[str, int]]:
    """By the activity's type, the task queue it was sent to and the process that took it."""
    found: dict[str, tuple[str, int]] = {}
    scheduled = {event.event_id: event.activity_task_scheduled_event_attributes for event in history.events}
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            call = scheduled[started.scheduled_event_id]
            pid = int(started.identity.partition("@")[0])
            found[call.activity_type.name] = (call.task_queue.name, pid)
    return found


async def test_each_worker_takes_its_own_and_the_session_replays_under_any_setting(
    running: Apart, client: Client, provider: FakeProvider
) -> None:
    (sessions,) = running.sessions
    running.gate.touch()
    provider.script(Reply(tools=(("wait_for", {"path": str(running.gate)}),)), Reply(text="Done."))
    session = await sessions.create("waiting", message="wait")
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
    assert texts((await sessions.snapshot(session))["messages"])[-1] == ("assistant", "Done.")
    history = await history_of(client, session)
    _, models, tools = running.workers
    assert taken(history) == {"call_model": (MODELS, models.pid), "wait_for": (TOOLS, tools.pid)}
    # Here, no worker says that there are such queues.
    replayer = Replayer(
        workflows=[SessionWorkflow],
        data_converter=client.data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await replayer.replay_workflow(history)


async def test_a_stop_reaches_a_worker_that_takes_model_calls_alone(running: Apart, provider: FakeProvider) -> None:
    (sessions,) = running.sessions
    provider.script(ENDLESS)
    session = await sessions.create(message="tell me")
    async with sessions.view(session) as viewer:
        await viewer.until_streaming("word3 ")
        await sessions.stop(session)
        frames = await viewer.until("turn.finished")
    assert frames[-1].data["reason"] == "stopped"
    (message,) = [frame.data["message"] for frame in frames if frame.type == "step.finished"]
    assert message["stopped"] is True


async def test_a_call_that_no_worker_takes_waits_and_viewers_are_told(running: Apart, provider: FakeProvider) -> None:
    (sessions,) = running.sessions
    _, models, _ = running.workers
    await models.kill()
    provider.script(Reply(text="Done."))
    session = await sessions.create(message="go on")
    async with sessions.view(session) as viewer:
        # One that dies before its first heartbeat, a minute after its start, is missed only after its last poll has lapsed.
        with suppress(TimeoutError):
            await viewer.until("workers.state")
        frames = await viewer.until("workers.state")
        assert [frame.data["missing"] for frame in frames if frame.type == "workers.state"] == [["models"]]
        other = await sessions.create(message="never mind")
        async with sessions.view(other) as second:
            await second.until("step.started")
            await sessions.stop(other)
            (ended,) = [frame for frame in await second.until("turn.finished") if frame.type == "turn.finished"]
            assert ended.data["reason"] == "stopped"
        await models.start()
        frames = await viewer.until("turn.finished")
        assert [frame.data["reason"] for frame in frames if frame.type == "turn.finished"] == ["done"]
        frames = await viewer.until("workers.state", 2)
        assert [frame.data["missing"] for frame in frames if frame.type == "workers.state"] == [["models"], []]
