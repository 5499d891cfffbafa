"""Tasks that wait for workers: a tenant that has many does not come before all others."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.common import Priority
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.starting import BACKGROUND, among_tenants
from perdure.temporal.settings import Settings
from tests.support.ports import free_port

_ran: list[str] = []


@workflow.defn
class Told:
    @workflow.run
    async def run(self, tenant: str) -> None:
        _ran.append(tenant)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    """It has one partition for each queue: it is fair within each of them alone, and which one a worker asks is a matter of
    luck."""
    partitions = [f"matching.numTaskqueue{kind}Partitions=1" for kind in ("Read", "Write")]
    extra = [word for one in partitions for word in ("--dynamic-config-value", one)]
    async with DevServer(tmp_path_factory.mktemp("temporal"), port=free_port(), ui_port=None, extra=extra) as running:
        yield running


@pytest.mark.server
async def test_a_tenant_with_a_backlog_does_not_come_before_another(server: DevServer) -> None:
    client = await connect(Settings(), address=server.address)
    queue = uuid.uuid4().hex
    started = [
        await client.start_workflow(
            Told.run, tenant, id=f"{queue}-{n}", task_queue=queue, priority=among_tenants(Priority.default, tenant)
        )
        for n, tenant in enumerate(["hot"] * 80 + ["quiet"] * 4)
    ]
    _ran.clear()
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Told],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_tasks=2,
    ):
        for handle in started:
            await handle.result()
    places = [place for place, tenant in enumerate(_ran) if tenant == "quiet"]
    # In the order of their start, they would be the last four of 84.
    assert sum(places) / len(places) < 40, places


def test_a_tenant_s_name_is_a_key_however_long_it_is() -> None:
    long, other = (among_tenants(BACKGROUND, name).fairness_key for name in ("ü" * 200, "ü" * 199))
    assert among_tenants(BACKGROUND, "acme") == Priority(priority_key=5, fairness_key="acme")
    assert long is not None
    assert other is not None
    assert len(long.encode()) == len(other.encode()) == 64
    assert long != other
