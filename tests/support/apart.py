"""Temporal, Redis, and workers and gateways of their own processes: what a deployment is made of."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.dev import Command
from tests.support.ports import free_ports
from tests.support.redis import Redis, redis_server
from tests.support.session_client import Sessions

_TOOLS = '''
import asyncio
from pathlib import Path
from temporalio import activity

@activity.defn
async def wait_for(path: str) -> str:
    """Waits for a file."""
    activity.heartbeat({"message": "waiting", "fraction": 0.5})
    while not Path(path).exists():
        await asyncio.sleep(0.02)
    return "there it is"
'''
_AGENT = """
name: waiting
models: {m: {use: anthropic/claude-sonnet-5-5}}
model: m
instructions: Be brief.
tools: [wait_for]
"""


class Apart:
    """Each gateway's sessions, in `sessions`; workers have the agent `waiting`, whose tool waits for the file `gate`."""

    def __init__(
        self,
        folder: Path,
        temporal: int,
        redis: Redis,
        provider: FakeProvider,
        gateways: int,
        workers: Sequence[Sequence[str]],
        environment: Mapping[str, str],
    ) -> None:
        (folder / "agents").mkdir()
        (folder / "agents" / "waiting.yaml").write_text(_AGENT)
        (folder / "tools.py").write_text(_TOOLS)
        self.folder = folder
        self.gate = folder / "gate"
        self.redis = redis
        self.environment = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
            "PERDURE_DATA_DIR": str(folder),
            "PERDURE_LIVE": redis.url,
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "sk-test-not-a-key",
            **environment,
        }
        self.workers = [Command(folder, self.environment, ["worker", *options]) for options in workers]
        self.worker = self.workers[0]
        ports = free_ports(gateways)
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.gateways = [Command(folder, self.environment, ["gateway", "--port", str(port)]) for port in ports]
        self.sessions: list[Sessions] = []


@asynccontextmanager
async def apart(
    folder: Path,
    provider: FakeProvider,
    gateways: int = 2,
    workers: Sequence[Sequence[str]] = ((),),
    environment: Mapping[str, str] = {},
) -> AsyncIterator[Apart]:
    """All of it runs. `workers`: each one's options. `environment` is that of all processes."""
    async with AsyncExitStack() as stack:
        (port,) = free_ports(1)
        await stack.enter_async_context(DevServer(folder / "temporal", port, None))
        redis = await stack.enter_async_context(redis_server(folder))
        running = Apart(folder, port, redis, provider, gateways, workers, environment)
        for command in (*running.workers, *running.gateways):
            stack.push_async_callback(command.stop)
        await asyncio.gather(*(command.start() for command in (*running.workers, *running.gateways)))
        for url in running.urls:
            http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30))
            running.sessions.append(Sessions(http))
        yield running
