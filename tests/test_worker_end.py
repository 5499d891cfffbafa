"""A worker process whose worker fails for good, because Temporal takes its polls no more."""

import asyncio
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.temporal.app.dev_server.server import DevServer
from tests.support.dev import Command
from tests.support.ports import free_ports

pytestmark = [pytest.mark.server, pytest.mark.slow]

NAMESPACE = "short-lived"


async def registered(server: DevServer) -> None:
    """Returns once the server knows the namespace."""
    client = await Client.connect(server.address)
    kept = Duration(seconds=86_400)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=NAMESPACE, workflow_execution_retention_period=kept)
    )
    async with asyncio.timeout(60):
        while True:
            try:
                await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
                return
            except RPCError:
                await asyncio.sleep(0.1)


async def test_it_ends_with_an_error_so_that_it_is_started_again(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    environment = {"TEMPORAL_ADDRESS": f"127.0.0.1:{port}", "TEMPORAL_NAMESPACE": NAMESPACE}
    worker = Command(tmp_path, environment, ["worker", "--data-dir", str(tmp_path / "data")])
    async with DevServer(tmp_path / "one", port, None) as server:
        await registered(server)
        await worker.start()
    try:
        # At the same address, a Temporal that has no such namespace.
        async with DevServer(tmp_path / "another", port, None):
            # For a minute, the SDK takes a namespace that it does not find for a new one.
            assert await worker.ended(within_s=150) == 1
        assert worker.output[-1] == (
            "error: the worker ended, because Temporal takes its polls no more: Namespace short-lived is not found."
        )
    finally:
        await worker.stop()
