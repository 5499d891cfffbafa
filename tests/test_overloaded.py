"""An overloaded worker is not mistaken for a dead one."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.activities.sessions.agents import Agents
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.assembly import assemble
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.sessions.starting import Start
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.log import runtime
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.protocol.activities import TASK_QUEUE
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.session import SessionWorkflow

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: The deadline of a query: longer than the time after which the gateway checks for live workers, and shorter than the
#: two seconds after which the SDK gives up a workflow task that gets no thread.
DEADLINE_S = 1.8


@pytest_asyncio.fixture(loop_scope="session")
async def client(temporal_server: DevServer) -> AsyncIterator[Client]:
    yield await connect(Settings(), address=temporal_server.address, runtime=runtime())


@contextmanager
def held(pool: ThreadPoolExecutor) -> Iterator[None]:
    """While the block runs, the pool's only thread is busy."""
    let_go = threading.Event()
    pool.submit(let_go.wait)
    try:
        yield
    finally:
        let_go.set()


async def asked(backend: Backend, session: str) -> str:
    try:
        await backend.events(session, 0)
    except SessionError as error:
        return error.code
    return "answered"


async def test_busy_is_told_from_gone(client: Client, tmp_path: Path) -> None:
    backend = Backend(client, Settings(data_dir=tmp_path, query_timeout_s=DEADLINE_S))
    session = f"default/{uuid.uuid4().hex}"
    parts = assemble(Settings(data_dir=tmp_path), Sources(), demo_without_keys=True)
    await parts.definitions.publish()
    known = parts.definitions.current("assistant")
    assert known is not None
    new = NewSession(tenant="default", session_id=session.partition("/")[2], agent="assistant", digest=known.digest)
    agents = Agents(parts.definitions, parts.catalogue, parts.mcp.listings)
    pool = ThreadPoolExecutor(1)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[SessionWorkflow],
        activities=[agents.load_agent, agents.tools_changed, agents.current_agent],
        workflow_runner=UnsandboxedWorkflowRunner(),
        workflow_task_executor=pool,
    )
    async with worker:
        await backend.start(Start(SessionInput(new=new), known.digest))
        # The session loads its agent first.
        async with asyncio.timeout(30):
            while await asked(backend, session) != "answered":
                pass
        with held(pool):
            assert await asked(backend, session) == "overloaded"
        assert await asked(backend, session) == "answered"
    # Known long before its deadline.
    patient = Backend(client, Settings(data_dir=tmp_path, query_timeout_s=10 * DEADLINE_S))
    began = asyncio.get_running_loop().time()
    assert await asked(patient, session) == "no_worker"
    assert asyncio.get_running_loop().time() - began < 5 * DEADLINE_S
