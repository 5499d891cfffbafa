"""A Temporal server, a gateway, and workers of several builds, in processes of their own."""

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Literal

import httpx2
from temporalio.api.enums.v1 import EventType, RoutingConfigUpdateState, VersioningBehavior
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.app.dev_server.server import NAMESPACE, DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from tests.support.dev import Command
from tests.support.ports import free_ports
from tests.support.session_client import PATIENCE_S, Sessions

DEPLOYMENT = "perdure"
#: As the current build: unversioned workers run what begins.
UNVERSIONED = ""
#: Normally it takes about a second.
_PROPAGATION_S = 10
Code = Literal["ours", "unguarded", "patched"]

#: A tool that runs until a given file exists.
TOOLS = '''
import asyncio
from pathlib import Path
from temporalio import activity

@activity.defn
async def wait_for(path: str) -> str:
    """Waits for a file."""
    while not Path(path).exists():
        await asyncio.sleep(0.02)
    return "there it is"
'''
AGENT = """
name: waiting
models: {m: {use: anthropic/claude-sonnet-5-5}}
model: m
instructions: Be brief.
tools: [wait_for]
"""


class Place:
    def __init__(self, folder: Path, provider: FakeProvider) -> None:
        self.folder = folder
        #: The file that the tool waits for.
        self.gate = folder / "gate"
        (folder / "agents").mkdir()
        (folder / "agents" / "waiting.yaml").write_text(AGENT)
        (folder / "tools.py").write_text(TOOLS)
        self._temporal_port, port = free_ports(2)
        self._stack = AsyncExitStack()
        self.environment = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self._temporal_port}",
            "PERDURE_DATA_DIR": str(folder),
            "PERDURE_QUERY_TIMEOUT_S": "3",
            "PERDURE_GRACEFUL_SHUTDOWN_S": "5",
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        }
        self._gateway = Command(folder, self.environment, ["gateway", "--port", str(port)])
        self._http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.sessions = Sessions(self._http)

    async def __aenter__(self) -> "Place":
        await self._stack.enter_async_context(DevServer(self.folder / "temporal", self._temporal_port, None))
        self._stack.push_async_callback(self._gateway.stop)
        await self._gateway.start()
        await self._stack.enter_async_context(self._http)
        address = self.environment["TEMPORAL_ADDRESS"]
        self.client: Client = await connect(Settings(data_dir=self.folder), address=address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def worker(self, code: Code, build: str | None = None) -> Command:
        """A worker that is ready, of `build` if one is given. It stops with this `Place` at the latest."""
        versioning = {"PERDURE_DEPLOYMENT_NAME": DEPLOYMENT, "PERDURE_BUILD_ID": build} if build else {}
        program = () if code == "ours" else (sys.executable, Path(__file__).with_name("other_build.py"), code)
        worker = Command(self.folder, {**self.environment, **versioning}, ["worker"], program)
        await worker.start()
        self._stack.push_async_callback(worker.stop)
        return worker

    async def make_current(self, build: str) -> None:
        await make_current(self.client, DEPLOYMENT, build)

    async def ramp(self, build: str, percentage: float) -> None:
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=NAMESPACE, deployment_name=DEPLOYMENT, build_id=build, percentage=percentage
        )
        await _when_known(lambda: self.client.workflow_service.set_worker_deployment_ramping_version(request))
        await _propagated(self.client, DEPLOYMENT)

    async def histories(self, session: str) -> list[WorkflowHistory]:
        """The histories of all runs, oldest first."""
        run: str | None = (await self.client.get_workflow_handle(f"default/{session}").describe()).run_id
        found: list[WorkflowHistory] = []
        while run:
            handle = self.client.get_workflow_handle(f"default/{session}", run_id=run)
            found.insert(0, await handle.fetch_history())
            run = found[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        return found

    async def builds(self, session: str) -> list[set[str]]:
        """The builds of each run."""
        return [builds_of(history) for history in await self.histories(session)]

    async def pinned_to(self, session: str) -> str | None:
        """The build to which Temporal has pinned the session."""
        described = await self.client.get_workflow_handle(f"default/{session}").describe()
        told = described.raw_description.workflow_execution_info.versioning_info
        if told.behavior != VersioningBehavior.VERSIONING_BEHAVIOR_PINNED:
            return None
        return told.deployment_version.build_id

    async def wake(self, session: str, build: str) -> None:
        """Sends a command that changes nothing; returns once the session is on `build`."""
        await self.client.get_workflow_handle(f"default/{session}").signal("configure", {"id": f"move-{build}"})
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await self.pinned_to(session) == build:
                    return
                await asyncio.sleep(0.05)


def builds_of(history: WorkflowHistory) -> set[str]:
    """The builds that executed a run, according to its completed workflow tasks."""
    return {
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    }


async def make_current(client: Client, deployment: str, build: str) -> None:
    """Does what `temporal worker deployment set-current-version` does: waits until the server knows the build, sets it,
    and waits until the change has reached all of the server."""
    request = SetWorkerDeploymentCurrentVersionRequest(namespace=NAMESPACE, deployment_name=deployment, build_id=build)
    await _when_known(lambda: client.workflow_service.set_worker_deployment_current_version(request))
    await _propagated(client, deployment)


async def _propagated(client: Client, deployment: str) -> None:
    """Returns once the change of the current version has reached all of the server.

    At times the server never reports that, although it happened (temporalio/temporal, issue 11842), so the wait is
    bounded; tests wait for what they need in any case.
    """
    request = DescribeWorkerDeploymentRequest(namespace=NAMESPACE, deployment_name=deployment)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PROPAGATION_S):
            while True:
                told = await client.workflow_service.describe_worker_deployment(request)
                state = told.worker_deployment_info.routing_config_update_state
                if state != RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS:
                    return
                await asyncio.sleep(0.05)


async def _when_known(ask: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await ask()
            except RPCError as error:
                if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
                    raise
                await asyncio.sleep(0.05)
            else:
                return
