"""Tools on workers that are not Perdure's: a Python process with only the SDK, and one in TypeScript."""

import asyncio
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import venv
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from perdure.gateway.live.watches import Watches
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.snapshot import whole_snapshot
from perdure.temporal.stores.blobs import unfold
from tests.support.items import written
from tests.support.needs import missing
from tests.support.session_lab import PATIENCE_S, Lab, Talk, check, lab_on
from tests.support.tool_lab import REMOTE_AGENTS, SHOP, begin, end, error, outcome, results
from tests.support.tool_shop import LOOK_S, there

pytestmark = pytest.mark.server

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with an environment of its own, which contains only the Temporal SDK and its dependencies."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in _needed("temporalio"):
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            top = file.parts[0]
            link = packages / top
            if top not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))))
    python = str(folder / "bin" / "python")
    look = "import importlib.util as u, temporalio; print([u.find_spec(n) for n in ('perdure', 'pydantic')])"
    found = subprocess.run([python, "-I", "-c", look], capture_output=True, text=True, cwd=folder, check=True)
    assert found.stdout.strip() == "[None, None]"
    return python


def _needed(name: str) -> Iterator[str]:
    yield name
    for requirement in importlib.metadata.requires(name) or ():
        if "extra ==" not in requirement and "python_full_version <" not in requirement:
            yield from _needed(re.split(r"[^A-Za-z0-9_.-]", requirement)[0])


@asynccontextmanager
async def worker(*command: str, cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Such a worker, once it polls."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"ready" not in (line := await process.stdout.readline()):
                assert line, "the worker did not start"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    async with lab_on(temporal_server, folder, more_agents=REMOTE_AGENTS, more_tools=[SHOP]) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def python_worker(temporal_server: DevServer, bare_python: str) -> AsyncIterator[None]:
    command = (bare_python, str(HERE / "support" / "remote_worker.py"), temporal_server.address, "python")
    async with worker(*command, cwd=Path(bare_python).parent):
        yield


@pytest_asyncio.fixture(loop_scope="session")
async def talk(lab: Lab) -> AsyncIterator[Talk]:
    lab.stage.plays.clear()
    talk = await lab.start("python")
    yield talk
    check(await talk.events())
    await talk.close()


async def test_a_tool_of_another_s_worker(python_worker: None, talk: Talk) -> None:
    found = await outcome(talk, "find_stock", {"product": "lamp"})
    assert found.output == {"product": "lamp", "pieces": 7}
    (finished,) = [event for event in await talk.events() if event.type == "tool.finished"]
    assert finished.attempts is None


async def test_it_is_told_on_whose_behalf_where_its_definition_says_so(python_worker: None, lab: Lab) -> None:
    talk = await lab.start("python", user="ada", metadata={"plan": "pro"}, timezone="Europe/Berlin")
    assert (await outcome(talk, "whose_stock", {})).output == {
        "tenant": "lab",
        "user": "ada",
        "session_id": talk.handle.id.partition("/")[2],
        "agent": "python",
        "turn_id": "t1",
        "call_id": "t1.s1.c1",
        "inputs": {},
        "metadata": {"plan": "pro"},
        "timezone": "Europe/Berlin",
    }


async def test_its_result_is_checked(python_worker: None, talk: Talk) -> None:
    failed = error(await outcome(talk, "bad_stock", {}))
    assert failed.type == "invalid_result"
    assert failed.message.startswith("bad_stock ran, but what it returned does not fit its output schema: ")


async def test_a_big_result_is_put_away(python_worker: None, lab: Lab, talk: Talk) -> None:
    found = await outcome(talk, "all_stock", {"count": 20_000})
    assert found.blob is not None
    (whole,) = await unfold(lab.parts.blobs, (found,))
    assert whole.model_dump()["output"] == list(range(20_000))


async def test_a_result_that_is_too_big_to_send_is_final(python_worker: None, talk: Talk, tmp_path: Path) -> None:
    failed = error(await outcome(talk, "whole_stock", {"ledger": str(tmp_path)}))
    assert (failed.type, failed.retryable) == ("result_too_large", False)
    assert (tmp_path / "counted.txt").read_text() == "1\n"


async def test_what_is_no_json_is_told_and_breaks_nothing(python_worker: None, talk: Talk) -> None:
    failed = error(await outcome(talk, "raw_stock", {}))
    assert (failed.type, failed.message) == ("invalid_result", "raw_stock ran, but what it returned is no JSON.")


async def test_long_arguments_are_told_and_not_sent(python_worker: None, talk: Talk) -> None:
    failed = error(await outcome(talk, "find_stock", {"product": "x" * 100_000}))
    assert failed.type == "invalid_arguments"


async def test_its_failure_is_data(python_worker: None, talk: Talk) -> None:
    found = await outcome(talk, "no_stock", {"product": "lamp"})
    assert (found.name, found.output) == ("no_stock", {"product": "lamp", "pieces": 7})


async def test_where_no_worker_is_nothing_hangs(talk: Talk) -> None:
    failed = error(await outcome(talk, "lost_stock", {}))
    assert (failed.type, failed.retryable) == ("no_worker", True)
    assert "so it did not run" in str(talk.stage.requests[-1][-1])


async def test_its_worker_is_killed_in_mid_call(
    temporal_server: DevServer, bare_python: str, lab: Lab, tmp_path: Path
) -> None:
    """On a task queue of its own; its heartbeats stop, and the outcome is unknown."""
    talk = await lab.start("typescript")
    command = (bare_python, str(HERE / "support" / "remote_worker.py"), temporal_server.address, "typescript")
    async with worker(*command, cwd=tmp_path) as process:
        await begin(talk, ("move_stock", {"ledger": str(tmp_path)}))
        moved = tmp_path / "moved.txt"
        async with asyncio.timeout(PATIENCE_S):
            await there(str(tmp_path), moved.name)
            # The file is there before its line is.
            while not moved.read_text():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(LOOK_S)
        process.send_signal(signal.SIGKILL)
        (found,) = results(await end(talk)).values()
    assert error(found).type == "outcome_unknown"
    assert moved.read_text() == "t1.s1.c1\n"


def watches(lab: Lab) -> Watches:
    """The watches of a gateway."""
    backend = Backend(lab.client, lab.parts.settings)
    blobs = lab.parts.blobs
    sealed = Sealed(blobs)
    return Watches(
        live=lab.live,
        blobs=blobs,
        sealed=sealed,
        ask=backend.events,
        look=backend.look,
        snapshot=lambda session: whole_snapshot(backend, blobs, sealed, session),
        viewer_queue=1000,
    )


class Reader:
    """A viewer that reads a session's stream from `after` on."""

    def __init__(self, gateway: Watches, talk: Talk, after: int | None = None) -> None:
        self.told: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._read(gateway, talk.handle.id, after))

    async def _read(self, gateway: Watches, session: str, after: int | None) -> None:
        async with aclosing(gateway.follow(session, after)) as items:
            async for item in items:
                kind, data = written(item)
                self.told.append({"type": kind, **data})
                self._more.set()

    def progress(self, call_id: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["type"] == "tool.progress" and one["call_id"] == call_id]

    async def until(self, done: Callable[[list[dict[str, Any]]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done(self.told):
                self._more.clear()
                await self._more.wait()

    async def until_shelf(self, name: str) -> None:
        await self.until(lambda told: any(one.get("message") == name for one in told))

    async def go(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_viewers_see_how_far_it_is(python_worker: None, lab: Lab, talk: Talk, tmp_path: Path) -> None:
    """In a step that also calls a tool of ours, whose progress is reported once."""
    ledger, shelf = str(tmp_path), tmp_path / "shelf"
    shelf.write_text("shelf 1")
    gateway = watches(lab)
    early = Reader(gateway, talk)
    await early.until(bool)
    await begin(talk, ("count_stock", {"ledger": ledger}), ("tell", {"ledger": ledger, "until": "go"}))
    await early.until_shelf("shelf 1")
    (tmp_path / "next").write_text("shelf 2")
    (tmp_path / "next").rename(shelf)
    await early.until_shelf("shelf 2")
    late = Reader(gateway, talk)
    await late.until_shelf("shelf 2")
    (tmp_path / "go").touch()
    await end(talk)
    for reader in (early, late):
        await reader.until(lambda told: told[-1]["type"] == "turn.finished")
        await reader.go()
        types = [one["type"] for one in reader.told if one.get("call_id") == "t1.s1.c1"]
        assert (types[0], types[-1], types.count("tool.finished")) == ("tool.started", "tool.finished", 1)
    assert [one["message"] for one in early.progress("t1.s1.c1")] == ["shelf 1", "shelf 2"]
    assert late.progress("t1.s1.c1") == early.progress("t1.s1.c1")[1:]
    assert early.progress("t1.s1.c1")[0] == {
        "type": "tool.progress",
        "call_id": "t1.s1.c1",
        "message": "shelf 1",
        "fraction": 0.5,
    }
    # Progress before `tool.started` has been sent is merged into one report.
    told = [(one["message"], one.get("fraction")) for one in early.progress("t1.s1.c2")]
    every = [("reading", None), ("writing", 0.5), ("writing", 0.75)]
    assert told == every[-len(told) :]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (["shelf 1"], {"message": "shelf 1"}),
        (["shelf 1", 0.5], {"message": "shelf 1", "fraction": 0.5}),
        ([{"done": 2, "of": 4}], {"fraction": 0.5}),
        ([{"current": 1, "total": 4, "text": "shelf 1"}], {"message": "shelf 1", "fraction": 0.25}),
        ([{"percent": 75, "shelf": 3}], {"message": '{"shelf":3}', "fraction": 0.75}),
        ([{"key": "w4rehouse-key-77", "shelf": 1}], {"message": '{"key":"[hidden]","shelf":1}'}),
        ([[1, "long" * 200]], {"message": ('[1,"' + "long" * 200)[:499] + "…"}),
    ],
)
async def test_whatever_it_says_is_shown(
    python_worker: None,
    lab: Lab,
    talk: Talk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: list[Any],
    shown: dict[str, Any],
) -> None:
    """Of a tool on another's worker, and of one of ours beside it."""
    monkeypatch.setenv("WAREHOUSE_KEY", "w4rehouse-key-77")
    (tmp_path / "said").write_text(json.dumps(said))
    reader = Reader(watches(lab), talk)
    await begin(talk, ("report_stock", {"ledger": str(tmp_path)}), ("report", {"ledger": str(tmp_path)}))
    await reader.until(lambda told: bool(reader.progress("t1.s1.c1") and reader.progress("t1.s1.c2")))
    (tmp_path / "go").touch()
    await end(talk)
    await reader.go()
    for call_id in ("t1.s1.c1", "t1.s1.c2"):
        assert reader.progress(call_id)[0] == {"type": "tool.progress", "call_id": call_id, **shown}


async def test_a_worker_in_typescript(temporal_server: DevServer, lab: Lab, node: str, tmp_path: Path) -> None:
    clients = HERE / "clients"
    if not (clients / "node_modules" / "@temporalio" / "worker").exists():
        missing("@temporalio/worker")
    talk = await lab.start("typescript")
    command: Any = (node, "stock_worker.mjs", temporal_server.address, "typescript")
    async with worker(*command, cwd=clients):
        found = await outcome(talk, "find_stock", {"product": "lamp"})
        assert found.output == {"product": "lamp", "pieces": 9}
        rescued = await outcome(talk, "no_stock", {"product": "lamp"})
        assert rescued.output == {"product": "lamp", "pieces": 9}
        (tmp_path / "shelf").write_text("shelf 1")
        await begin(talk, ("count_stock", {"ledger": str(tmp_path)}))
        # The first viewer also gets the current progress.
        reader = Reader(watches(lab), talk)
        await reader.until_shelf("shelf 1")
        (tmp_path / "go").touch()
        await end(talk, 3)
        await reader.go()
    check(await talk.events())
