"""A Temporal server with workers in processes of their own, without a gateway, to compare worker with worker.

Rule: sessions and bare workflows are started and signalled in the same way, directly from here, so that they differ
only in the worker and in the load that it puts on the server.
"""

import sys
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil
from temporalio.client import Client, WorkflowHandle

from perdure.temporal.app.bench.rig.asked import TASK_QUEUE as BARE_QUEUE
from perdure.temporal.app.bench.rig.asked import Asked, Asking
from perdure.temporal.app.bench.rig.child import PERDURE, child
from perdure.temporal.app.bench.rig.effects import TOOLS
from perdure.temporal.app.bench.rig.rig import AGENT, DEFINITION, Provider
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.content import content_sha256
from perdure.temporal.sessions.starting import Start, start_session
from perdure.temporal.settings import Settings
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.protocol.signals import NewSession, SendMessage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Text

Kind = Literal["perdure", "bare"]
#: Agents whose sessions call this tool in each step, and the number of steps in their turns.
CALLING: Final = {"nod": 21, "pause": 2}
_AGENTS: Final = {AGENT: DEFINITION} | {
    tool: f"{DEFINITION.replace(AGENT, tool)}tools: [{tool}]\nlimits: {{turn: {{steps: {steps}}}}}\n"
    for tool, steps in CALLING.items()
}


@dataclass(frozen=True)
class Plant:
    folder: Path
    provider: Provider
    server: psutil.Process
    client: Client
    settings: Settings
    #: Digests of the sessions' definitions, by agent.
    digests: Mapping[str, str]

    def worker(self, kind: Kind, on_line: Callable[[bytes], None]) -> AbstractAsyncContextManager[psutil.Process]:
        """A worker that reports each finished turn to `on_line`: see `perdure.temporal.app.bench.rig.worker`."""
        return child(
            (sys.executable, "-m", "perdure.temporal.app.bench.rig.worker", kind),
            self._environment(),
            self.folder,
            on_line,
        )

    def perdure_worker(self) -> AbstractAsyncContextManager[psutil.Process]:
        """`perdure worker`, as shipped."""
        options = ("--agents", str(self.folder / "agents"), "--tools", str(TOOLS))
        command = (sys.executable, *PERDURE, "worker", *options)
        return child(command, self._environment(), self.folder)

    async def session(self, *, message: bool, agent: str = AGENT) -> WorkflowHandle[SessionWorkflow, str]:
        """Starts a session, with or without a first message."""
        name = uuid.uuid4().hex
        new = NewSession(
            tenant="default",
            session_id=name,
            agent=agent,
            digest=self.digests[agent],
            message=self.message(agent) if message else None,
            continue_as_new_after=self.settings.continue_as_new_after,
        )
        start = Start(SessionInput(new=new), new.digest)
        await start_session(self.client, start, self.settings.workflow_task_timeout)
        return self.client.get_workflow_handle_for(SessionWorkflow.run, start.workflow_id)

    def message(self, agent: str = AGENT) -> SendMessage:
        parts = (Text(text="Go on?"),)
        return SendMessage(
            message_id=uuid.uuid4().hex,
            parts=parts,
            content_sha256=content_sha256(parts),
            cursor=0,
            digest=self.digests[agent],
        )

    async def asked(self, asking: Asking) -> WorkflowHandle[Asked, None]:
        """Starts a bare workflow that answers signals."""
        return await self.client.start_workflow(
            Asked.run,
            asking,
            id=f"bare/{uuid.uuid4().hex}",
            task_queue=BARE_QUEUE,
            task_timeout=self.settings.workflow_task_timeout,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "TEMPORAL_ADDRESS": self.client.service_client.config.target_host,
            "PERDURE_DATA_DIR": str(self.settings.data_dir),
            "ANTHROPIC_BASE_URL": self.provider.url,
            "ANTHROPIC_API_KEY": "none",
        }


@asynccontextmanager
async def plant(folder: Path, provider: Provider) -> AsyncIterator[Plant]:
    """A server with its data below `folder`, without workers yet."""
    # Imported here, because the command line imports this module and must not wait for these imports.
    from perdure.temporal.app.processes.assembly import assemble

    (folder / "agents").mkdir(parents=True)
    for agent, definition in _AGENTS.items():
        (folder / "agents" / f"{agent}.yaml").write_text(definition)
    settings = Settings(data_dir=folder / "data", blobs=str(folder / "data" / "blobs"), log_level="ERROR")
    sources = Sources(agents=(folder / "agents",), tools=(str(TOOLS),))
    parts = assemble(settings, sources, demo_without_keys=False)
    known = {agent: parts.definitions.current(agent) for agent in _AGENTS}
    digests = {agent: one.digest for agent, one in known.items() if one is not None}
    await parts.providers.aclose()
    async with DevServer(settings.data_dir, 0, None) as server:
        client = await connect(settings, address=server.address)
        assert server.pid is not None
        yield Plant(folder, provider, psutil.Process(server.pid), client, settings, digests)
