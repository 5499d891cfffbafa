"""Tasks that wait for workers: a tenant that has many does not come before all others."""

import uuid

import pytest
from temporalio import workflow
from temporalio.common import Priority
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.starting import BACKGROUND, among_tenants
from perdure.temporal.settings import Settings

_ran: list[str] = []


@workflow.defn
class Told:
    @workflow.run
    async def run(self, tenant: str) -> None:
        _ran.append(tenant)


async def mean_place(server: DevServer) -> float:
    """Of the tasks of a tenant that has few, behind 80 of another one, in the order in which a worker is handed them."""
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
    return sum(places) / len(places)


@pytest.mark.server
async def test_a_tenant_with_a_backlog_does_not_come_before_another(temporal_server: DevServer) -> None:
    # In the order of their start, they would be the last four of 84. The server is fair within each of a queue's
    # partitions alone, and which of these a worker asks is a matter of luck.
    for _ in range(4):
        if await mean_place(temporal_server) < 40:
            return
    pytest.fail("the tenant that has few tasks came behind the other one each time")


def test_a_tenant_s_name_is_a_key_however_long_it_is() -> None:
    long, other = (among_tenants(BACKGROUND, name).fairness_key for name in ("ü" * 200, "ü" * 199))
    assert among_tenants(BACKGROUND, "acme") == Priority(priority_key=5, fairness_key="acme")
    assert long is not None
    assert other is not None
    assert len(long.encode()) == len(other.encode()) == 64
    assert long != other
