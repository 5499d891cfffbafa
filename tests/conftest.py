"""Real parts for tests: one Temporal dev server a run, and the whole of Perdure on it, in this process."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil
import pytest
import pytest_asyncio

from temporal.app.exit import leave
from temporal.app.fake_provider import FakeProvider
from temporal.app.server import DevServer

_status = 0


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


class Dev:
    """`perdure dev` as users run it: a process of its own, that can be killed and started again on the same data."""

    def __init__(self, data_dir: Path, environment: dict[str, str], arguments: tuple[str, ...] = ()) -> None:
        self.data_dir = data_dir
        self.port, self.temporal_port, self.ui_port = _free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self.output: list[str] = []

    async def start(self) -> None:
        """Returns when it has said that it is ready."""
        program = Path(sys.executable).parent / "perdure"
        self._process = await asyncio.create_subprocess_exec(
            program,
            *("dev", "--port", str(self.port), "--temporal-port", str(self.temporal_port)),
            *("--ui-port", str(self.ui_port), "--data-dir", str(self.data_dir), *self._arguments),
            cwd=self.data_dir,
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
                raise AssertionError("perdure dev did not start:\n" + "\n".join(self.output))
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output.append(line.decode().rstrip())

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


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncIterator[FakeProvider]:
    """A provider that streams a fake answer over the real wires."""
    async with FakeProvider() as fake:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Dev]:
    """`perdure dev` whose agents' models are the fake provider's."""
    running = Dev(
        tmp_path_factory.mktemp("dev"), {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "sk-test-not-a-key"}
    )
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def http(dev: Dev) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `dev`'s gateway."""
    async with httpx2.AsyncClient(base_url=dev.url, timeout=30) as client:
        yield client
