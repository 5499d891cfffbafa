"""The pytest plugin: the fixture `perdure`, its options, and the differences of transcripts.

Rule 1: pytest loads this file in every run in its environment, so it imports nothing heavy until a test needs it.
Rule 2: a test that takes `perdure` needs no mark: it runs under pytest-asyncio in whatever mode.
"""

import atexit
import logging
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from perdure.temporal.app.processes.sources import Sources
    from perdure.temporal.app.testing.kit import Perdure
    from perdure.temporal.app.testing.server import TestServer

_FAILED = pytest.StashKey[bool]()
_STATUS = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("perdure_agents", "folders of agent definitions (./agents)", type="paths", default=None)
    parser.addini("perdure_tools", "tool modules or files (./tools.py)", type="args", default=None)


def pytest_configure(config: pytest.Config) -> None:
    # The SDK warns of a call that ended while its worker was being killed; as an error it would break the worker.
    config.addinivalue_line("filterwarnings", "ignore:Cannot find activity to cancel:UserWarning")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    found = yield
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, pytest.Function) and "perdure" in item.fixturenames:
            item.add_marker("asyncio")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = not report.passed
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    # Whoever has a transcript has loaded its module.
    module = sys.modules.get("perdure.temporal.app.testing.transcript")
    if module is None or op != "==":
        return None
    if isinstance(left, module.Transcript) and isinstance(right, list):
        got, expected = left, right
    elif isinstance(right, module.Transcript) and isinstance(left, list):
        got, expected = right, left
    else:
        return None
    lines: list[str] = module.differences(got, expected)
    return lines


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.fixture(scope="session")
def perdure_server(request: pytest.FixtureRequest) -> "Iterator[TestServer]":
    """The Temporal test server, one for all tests."""
    from perdure.temporal.app.testing.server import TestServer, TestServerMissing
    from perdure.temporal.telemetry.failure_lines import summarize_failures

    _end_safely(request.config)
    # What the log says beside a failing test must not bury the cause: calls that fail take a line, and the SDK's word on
    # what the test server lacks concerns nobody.
    summarize_failures()
    logging.getLogger("temporalio.core").setLevel(logging.ERROR)

    try:
        server = TestServer()
    except TestServerMissing as problem:
        pytest.fail(str(problem), pytrace=False)
    yield server
    server.stop()


@pytest_asyncio.fixture
async def perdure(
    request: pytest.FixtureRequest, perdure_server: "TestServer", tmp_path_factory: pytest.TempPathFactory
) -> "AsyncIterator[Perdure]":
    """Your agents and tools on a real Temporal server, with a scripted model and a clock that you move."""
    from perdure.temporal.app.testing.kit import open_perdure

    async with open_perdure(perdure_server, tmp_path_factory.mktemp("perdure"), _sources(request)) as kit:
        yield kit
    if request.node.stash.get(_FAILED, True):
        return  # that the script was not used up follows from the failure
    try:
        await kit.check()
    except AssertionError as problem:
        pytest.fail(str(problem), pytrace=False)


def _sources(request: pytest.FixtureRequest) -> "Sources":
    """What the options name, or else the nearest ./agents and ./tools.py at or above the test's file."""
    from perdure.temporal.app.processes.sources import Sources

    root = request.config.rootpath
    folders = [folder for folder in request.path.parents if folder == root or root in folder.parents] or [root]
    agents: list[Path] = request.config.getini("perdure_agents") or _nearest(folders, "agents")
    tools: list[str] = request.config.getini("perdure_tools") or [str(path) for path in _nearest(folders, "tools.py")]
    here = request.config.inipath.parent if request.config.inipath else root
    return Sources(tuple(agents), tuple(str(here / tool) if tool.endswith(".py") else tool for tool in tools))


def _nearest(folders: list[Path], name: str) -> list[Path]:
    return next(([folder / name] for folder in folders if (folder / name).exists()), [])


def _end_safely(config: pytest.Config) -> None:
    """See `perdure.temporal.app.console.exit`. Only where pytest is the program: whoever calls it ends in their own
    way, and so do pytest-xdist's workers."""
    if Path(sys.argv[0]).name not in ("pytest", "py.test", "__main__.py") or hasattr(config, "workerinput"):
        return
    from perdure.temporal.app.console.exit import leave

    atexit.register(lambda: leave(config.stash.get(_STATUS, 1)))
