"""Real parts for tests: one Temporal dev server a run, and the whole of Perdure on it, in this process."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2
import psutil
import pytest
import pytest_asyncio

from perdure.temporal.app.bench.rig.child import free_port
from perdure.temporal.app.console.exit import leave
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider

_status = 0

#: The files that take longest, in this order: one of them that began last would run on while the other processes rest.
_FIRST = (
    *("test_kill", "test_tool_kills", "test_bench", "test_versions", "test_pages", "test_pages_questions"),
    *("test_tracing", "test_metrics", "test_small_model", "test_chat_cli"),
    *("test_timer_routes", "test_sub_agents", "test_sdks", "test_new", "test_replay_cli", "test_what_if"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = {name: place for place, name in enumerate(_FIRST)}
    items.sort(key=lambda item: (first.get(item.path.stem, len(first)), item.get_closest_marker("server") is None))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    leave(_status)


def missing(what: str) -> None:
    """Skips a test for lack of `what`; in CI, where it is installed, that is a failure."""
    message = f"{what} is not installed"
    if os.environ.get("PERDURE_CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node."""
    found = shutil.which("node")
    if found is None:
        missing("Node")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("Chromium")
    assert found is not None
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    """The real Temporal dev server, shared by all tests: use session ids of your own."""
    folder: Path = tmp_path_factory.mktemp("temporal")
    async with DevServer(folder, 0, None) as server:
        yield server


class Command:
    """`perdure` as users run it: a process of its own, that can be killed and started again."""

    def __init__(
        self, folder: Path, environment: dict[str, str], arguments: Sequence[str], program: Sequence[Path | str] = ()
    ) -> None:
        """`folder` is where it runs; `environment` goes on top of ours; `program` is `perdure` unless given."""
        self._folder = folder
        self._program = program or [Path(sys.executable).parent / "perdure"]
        self.environment = environment
        self._environment = {**os.environ, **environment}
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self.output: list[str] = []

    async def start(self) -> None:
        """Returns when it has said that it is ready."""
        self._process = await asyncio.create_subprocess_exec(
            *self._program,
            *self._arguments,
            cwd=self._folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            async for line in self._process.stdout:
                self.output.append(line.decode().rstrip())
                if line.startswith(b"ready "):
                    break
            else:
                raise AssertionError(f"perdure {self._arguments[0]} did not start:\n" + "\n".join(self.output))
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output.append(line.decode().rstrip())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """To the main process alone."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self, *, group: bool = False) -> None:
        """SIGKILL to the main process alone, or to its process group and the Temporal server as well."""
        assert self._process is not None
        if group:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                child.kill()
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(60):
                await self._process.wait()
            await self._reading
        assert self._process.returncode is not None
        return self._process.returncode


class Dev(Command):
    """`perdure dev`; started again, it is on the same data."""

    def __init__(self, data_dir: Path, environment: dict[str, str], arguments: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        self.port, self.temporal_port, self.ui_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        ports = {"--port": self.port, "--temporal-port": self.temporal_port, "--ui-port": self.ui_port}
        named = [str(word) for pair in ports.items() for word in pair]
        super().__init__(data_dir, environment, ["dev", *named, "--data-dir", str(data_dir), *arguments])


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, and that no outgoing connection gets while what is on them starts again."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncIterator[FakeProvider]:
    """A provider that streams a fake answer over the real wires."""
    async with FakeProvider() as fake:
        yield fake


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    """Agents in YAML, by file name, that `dev` has beside the shipped ones. A module with agents of its own overrides it."""
    return {}


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    """What is set for `dev`. A module whose models are not the fake provider's overrides it."""
    return {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "sk-test-not-a-key"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], definitions: dict[str, str]
) -> AsyncIterator[Dev]:
    """`perdure dev` whose agents' models are the fake provider's."""
    folder = tmp_path_factory.mktemp("dev")
    agents = folder / "agents"
    agents.mkdir()
    for name, text in definitions.items():
        (agents / name).write_text(text)
    running = Dev(folder, environment, ["--agents", str(agents)])
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def http(dev: Dev) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `dev`'s gateway."""
    async with httpx2.AsyncClient(base_url=dev.url, timeout=30) as client:
        yield client
