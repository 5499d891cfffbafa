"""Real parts for tests: one Temporal dev server a run, and the whole of Perdure on it, in this process."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from temporal.app.exit import leave
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
