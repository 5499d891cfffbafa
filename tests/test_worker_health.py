"""What a worker tells those who restart processes, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from perdure.temporal.app.dev_server.ports import PortTaken
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.health import WorkerHealth, health_served
from tests.support.ports import free_ports


@workflow.defn(sandboxed=False)
class Nothing:
    @workflow.run
    async def run(self) -> None:
        return None


@pytest_asyncio.fixture(loop_scope="session")
async def address() -> AsyncIterator[str]:
    yield f"127.0.0.1:{free_ports(1)[0]}"


async def told(address: str) -> tuple[tuple[int, str], tuple[int, str]]:
    """What `/healthz` and `/readyz` say."""
    async with httpx2.AsyncClient(base_url=f"http://{address}") as http:
        alive, ready = await http.get("/healthz"), await http.get("/readyz")
    return (alive.status_code, alive.json()["status"]), (ready.status_code, ready.json()["status"])


@pytest.mark.server
async def test_a_worker_is_told_from_its_start_to_its_end(temporal_server: DevServer, address: str) -> None:
    client = await Client.connect(temporal_server.address)
    health = WorkerHealth(client)
    async with health_served(health, address):
        assert await told(address) == ((200, "ok"), (503, "starting"))
        async with Worker(client, task_queue="health", workflows=[Nothing]) as worker:
            health.ready([worker])
            assert await told(address) == ((200, "ok"), (200, "ready"))
            health.stopping()
            assert await told(address) == ((200, "ok"), (503, "stopping"))
    with pytest.raises(httpx2.ConnectError):
        await told(address)


@pytest.mark.server
async def test_a_worker_that_ended_while_its_process_runs_on_is_to_be_restarted(
    temporal_server: DevServer, address: str
) -> None:
    client = await Client.connect(temporal_server.address)
    health = WorkerHealth(client)
    async with health_served(health, address):
        worker = Worker(client, task_queue="health-ended", workflows=[Nothing])
        running = asyncio.create_task(worker.run())
        health.ready([worker])
        await worker.shutdown()
        await running
        assert await told(address) == ((503, "ended"), (503, "ended"))


@pytest.mark.server
async def test_without_temporal_a_worker_is_alive_and_not_ready(tmp_path: Path, address: str) -> None:
    async with DevServer(tmp_path, 0, None) as server:
        client = await Client.connect(server.address)
        health = WorkerHealth(client)
        health.ready([Worker(client, task_queue="health-away", workflows=[Nothing])])
    async with health_served(health, address):
        assert await told(address) == ((200, "ok"), (503, "temporal_unavailable"))


async def test_an_address_that_is_taken_is_named_with_its_setting(address: str) -> None:
    client = await Client.connect(f"127.0.0.1:{free_ports(1)[0]}", lazy=True)
    async with health_served(WorkerHealth(client), address):
        with pytest.raises(PortTaken, match="PERDURE_HEALTH_ADDRESS"):
            async with health_served(WorkerHealth(client), address):
                pass
