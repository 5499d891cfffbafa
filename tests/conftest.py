"""Shared fixtures: one real Temporal dev server per run, and all of Perdure on it, in this process."""

import gc
import io
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import hypothesis
import pytest
import pytest_asyncio
import structlog

from perdure.temporal.app.console.exit import leave
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.log import configure
from tests.support.dev import Dev
from tests.support.needs import missing

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

    from tests.support.redis import Redis
    from tests.support.s3 import S3

_status = 0

#: The slowest files, in this order: started last, one of them would run on while the other processes are idle.
_FIRST = (
    *("test_never_over", "test_sealing", "test_random_drops"),
    *("test_kill", "test_tool_kills", "test_bench", "test_versions", "test_pages", "test_pages_questions"),
    *("test_tracing", "test_metrics", "test_small_model", "test_chat_cli"),
    *("test_timer_routes", "test_sub_agents", "test_sdks", "test_new", "test_replay_cli", "test_what_if"),
)


# A deadline would make tests fail for other work on the machine.
hypothesis.settings.register_profile("perdure", deadline=None)
hypothesis.settings.load_profile("perdure")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m pure`, files without a pure test are not imported: their SDKs take longer than all the pure tests."""
    if config.option.markexpr != "pure" or not collection_path.name.startswith("test_"):
        return None
    return None if "mark.pure" in collection_path.read_text(encoding="utf-8") else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr == "pure":
        # The expression stands in place of the usual one, which leaves slow tests out.
        items[:] = [item for item in items if item.get_closest_marker("slow") is None]
    first = {name: place for place, name in enumerate(_FIRST)}
    items.sort(key=lambda item: (first.get(item.path.stem, len(first)), item.get_closest_marker("server") is None))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Takes what was collected, thousands of tests, out of the garbage collector's hands. Else a run of it takes so long on a
    busy machine that the SDK takes a workflow in which it happens for stuck (2 s)."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    leave(_status)


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


@pytest_asyncio.fixture(loop_scope="session")
async def redis(tmp_path: Path) -> "AsyncIterator[Redis]":
    """A real Redis of the test's own, which it may kill."""
    # Imported here, because its client takes long to import, and few tests need it.
    from tests.support.redis import redis_server

    async with redis_server(tmp_path) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> "AsyncIterator[S3]":
    """A real S3 server. A test that kills it starts it again."""
    # Imported here, because few tests need its client.
    from tests.support.s3 import s3_server

    async with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the keys of the S3 server."""
    from tests.support.s3 import S3

    for name, value in S3.environment.items():
        monkeypatch.setenv(name, value)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncIterator[FakeProvider]:
    """A provider that streams a fake answer over the real wire formats."""
    async with FakeProvider() as fake:
        yield fake


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    """Agents in YAML, by file name, that `dev` has beside the shipped ones. A module with its own agents overrides
    it."""
    return {}


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    """Environment variables of `dev`. A module whose models are not the fake provider's overrides it."""
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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator["BrowserContext"]:
    """Chromium with a profile of its own."""
    # Only tests of pages wait until the browser's driver is loaded.
    from tests.support.browsing import open_browser

    async with open_browser(chromium) as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: "BrowserContext", dev: Dev, provider: FakeProvider) -> AsyncIterator["Page"]:
    """`dev`'s chat page for a new user; the provider has nothing scripted."""
    from tests.support.browsing import chat_page

    provider.reset()
    async with chat_page(browser, dev.url) as opened:
        yield opened


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """This process's log output, as JSON, until the test ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure(Settings(log_format="json"), stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
