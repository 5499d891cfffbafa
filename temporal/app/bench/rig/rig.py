"""The system under test, in processes of its own: the shipped `perdure dev`, and the provider that it calls.

Rule: every process that was started is ended, even after it was half killed; a leftover Temporal server, too.
"""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
from temporalio.client import Client, WorkflowHandle

from perdure.temporal.app.bench.rig.child import PERDURE, clean_environment, free_port
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.wire import Tokens, reading, request
from perdure.temporal.app.dev_server.leftover import end_leftovers
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.workflows.session import SessionWorkflow

AGENT = "bench"
_START_S = 60.0
_STOP_S = 30.0
#: No tools and no caps, so that a turn is one step, whatever it costs.
DEFINITION = """\
name: bench
models:
  only: {use: anthropic/claude-haiku-5-5, max_output_tokens: 4096}
model: only
instructions: Answer.
"""


@dataclass(frozen=True)
class Provider:
    """The fake provider, in a process of its own."""

    url: str

    async def answer(self, **reply: Any) -> None:
        """Sets the reply to all further requests: the fields of `fakes.replies.Reply`."""
        await request(f"{self.url}/_default", "POST", reply)

    async def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await request(f"{self.url}/_calls")
        return found

    async def forget(self) -> None:
        await request(f"{self.url}/_calls", "DELETE")

    async def call(self, which: int, field: str = "at") -> float:
        """The time in `field` of a call, once it is set."""
        while True:
            calls = await self.calls()
            if len(calls) > which and calls[which][field] is not None:
                return float(calls[which][field])
            await asyncio.sleep(0.02)


class Rig:
    """`perdure dev` with its data below `folder`, calling the provider at `provider.url`."""

    def __init__(
        self,
        folder: Path,
        provider: Provider,
        definition: str = DEFINITION,
        tools: Path | None = None,
        settings: Mapping[str, str] = {},
    ) -> None:
        """`definition`: of the agent that sessions run. `tools`: a file with the tools that it names. `settings`:
        variables in its environment."""
        self.provider = provider
        self._definition = definition
        self._tools = tools
        self._set = dict(settings)
        self._folder = folder
        self._data = folder / "data"
        self._ports = [free_port() for _ in range(3)]
        self._process: asyncio.subprocess.Process | None = None
        self._draining: asyncio.Task[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self._data, blobs=str(self.blobs))

    @property
    def blobs(self) -> Path:
        return self._data / "blobs"

    async def __aenter__(self) -> Self:
        (self._folder / "agents").mkdir()
        (self._folder / "agents" / "bench.yaml").write_text(self._definition)
        try:
            await self.start()
            self.client: Client = await connect(self.settings, address=f"127.0.0.1:{self._ports[1]}")
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._end()

    async def start(self) -> float:
        """Returns the time at which it reported that it was ready."""
        gateway, temporal, ui = map(str, self._ports)
        options = ["--port", gateway, "--temporal-port", temporal, "--ui-port", ui]
        options += ["--data-dir", str(self._data), "--agents", str(self._folder / "agents")]
        options += ["--tools", str(self._tools)] if self._tools else []
        with (self._folder / "dev.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(*PERDURE, "dev", *options),
                cwd=self._folder,
                env=clean_environment(
                    {"ANTHROPIC_BASE_URL": self.provider.url, "ANTHROPIC_API_KEY": "none", **self._set}
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_START_S):
                while line := await self._process.stdout.readline():
                    if line.startswith(b"ready "):
                        at = time.time()
                        self._draining = asyncio.create_task(self._process.stdout.read())
                        return at
            problem = "ended at its start"
        except TimeoutError:
            problem = f"did not get ready within {_START_S:g} s"
        end = (self._folder / "dev.log").read_bytes()[-2000:].decode(errors="replace")
        raise BenchFailed(f"perdure dev {problem}:\n{end}")

    async def stop(self) -> None:
        """Stops it as a person would, with SIGTERM."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._ended()
        except TimeoutError:
            await self.kill(everything=True)

    async def kill(self, *, everything: bool) -> None:
        """Sends SIGKILL to the main process only, or to everything that it started as well."""
        assert self._process is not None
        doomed = [psutil.Process(self._process.pid)]
        if everything:
            doomed = [*doomed[0].children(recursive=True), *doomed]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
        await self._ended()

    async def _ended(self) -> None:
        assert self._process is not None
        await self._process.wait()
        self._process = None
        if self._draining is not None:
            # A server that outlives it may hold the other end.
            self._draining.cancel()

    async def _end(self) -> None:
        await self.stop()
        await end_leftovers((self._data / "temporal.db").resolve())

    def processes(self) -> tuple[psutil.Process, psutil.Process]:
        """The process of gateway and worker, and the Temporal server's."""
        assert self._process is not None
        main = psutil.Process(self._process.pid)
        servers = [one for one in main.children(recursive=True) if "start-dev" in one.cmdline()]
        return main, servers[0]

    async def create(self, user: str | None = None) -> str:
        """The id of a new session, which is loaded and at rest when this returns."""
        body = {"agent": AGENT, "session_id": uuid.uuid4().hex, **({} if user is None else {"user": user})}
        created = await request(f"{self.url}/v1/sessions", "POST", body)
        session: str = created["session_id"]
        await self.session(session).query(SessionWorkflow.receipt, "")
        return session

    async def post(self, session: str, text: str, wait: bool = False) -> Any:
        """Sends a message; with `wait`, returns once its turn is finished."""
        return await request(self.at(session, "messages?wait=60" if wait else "messages"), "POST", {"text": text})

    @asynccontextmanager
    async def watching(self, session: str) -> AsyncIterator[Tokens]:
        """Reads the session's events and tokens from its start."""
        async with reading(self.at(session, "events"), "step.delta") as tokens:
            await tokens.until("session.started")
            yield tokens

    def at(self, session: str, what: str) -> str:
        return f"{self.url}/v1/sessions/{session}/{what}".rstrip("/")

    def session(self, session: str) -> WorkflowHandle[SessionWorkflow, str]:
        return self.client.get_workflow_handle_for(SessionWorkflow.run, f"default/{session}")


@asynccontextmanager
async def fake_provider() -> AsyncIterator[Provider]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perdure.temporal.app.fakes.provider"),
        env=clean_environment({}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise BenchFailed("the fake provider did not start")
        yield Provider(line.decode().strip())
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
