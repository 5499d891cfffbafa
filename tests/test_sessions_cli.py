"""`perdure sessions` against `perdure dev`, which it finds by the data directory."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from typer.testing import CliRunner, Result

from perdure.temporal.app.cli import app
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.server.client import TemporalUnavailable
from perdure.temporal.sessions.runs import runs_of
from perdure.temporal.stores.codec import data_converter
from perdure.workflows.session import SessionWorkflow
from tests.support.dev import Command, Dev
from tests.support.ports import free_ports
from tests.support.session_client import Sessions

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    """Sessions that continue as new after every few turns, and so carry their state over."""
    return {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_CONTINUE_AS_NEW_AFTER": "50",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def temporal(dev: Dev) -> Client:
    return await Client.connect(f"127.0.0.1:{dev.temporal_port}", data_converter=data_converter(None))


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def perdure(
    dev: Dev, *arguments: str, said: str | None = None, environment: dict[str, str] | None = None
) -> Result:
    """Runs `perdure sessions …`; `said` is the typed input, `environment` is added to that of `dev`."""
    environment = {"PERDURE_DATA_DIR": str(dev.data_dir), "COLUMNS": "200", **(environment or {})}
    # The command runs an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, app, ["sessions", *arguments], input=said, env=environment)


def temporal_of(dev: Dev) -> dict[str, str]:
    """The environment that names the Temporal server of `dev`, whatever its data directory."""
    return {"TEMPORAL_ADDRESS": f"127.0.0.1:{dev.temporal_port}"}


async def ok(dev: Dev, *arguments: str) -> str:
    result = await perdure(dev, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


async def refused(dev: Dev, *arguments: str, said: str | None = None, environment: dict[str, str] | None = None) -> str:
    """The text of a refusal."""
    result = await perdure(dev, *arguments, said=said, environment=environment)
    assert isinstance(result.exception, Refused), (result.output, result.exception)
    return str(result.exception)


async def test_list_filters_and_cuts(dev: Dev, sessions: Sessions) -> None:
    user = "o'hara 100%"
    made = [await sessions.create(user=user, message=f"Wish {n} \x1b[31m") for n in range(3)]
    await sessions.create(agent="support")

    async with asyncio.timeout(20):
        while not set(made) <= set((listed := await ok(dev, "list", "--user", user)).split()):
            pass
    rows = [line for line in listed.splitlines() if user in line]
    assert len(rows) == 3
    assert "Wish 0 [31m" in rows[-1]
    assert "there are more than 2" in await ok(dev, "list", "--user", user, "--limit", "2")
    assert await ok(dev, "list", "--user", user, "--agent", "support") == "no sessions\n"
    assert await ok(dev, "list", "--tenant", "other", "--agent", "support") == "no sessions\n"
    elsewhere = await ok(dev, "list", "--tenant", "other")
    assert elsewhere == "no sessions of the tenant other, but of default: --tenant names one\n"
    assert (await perdure(dev, "list", "--status", "asleep")).exit_code == 2


async def test_a_server_that_is_named_comes_before_the_dev_on_the_data_directory(dev: Dev, sessions: Sessions) -> None:
    made = await sessions.create()
    named = {**temporal_of(dev), "PERDURE_DATA_DIR": "/nowhere"}
    async with asyncio.timeout(20):
        while made not in (await perdure(dev, "list", environment=named)).stdout:
            pass
    (port,) = free_ports(1)
    result = await perdure(dev, "list", environment={"TEMPORAL_ADDRESS": f"127.0.0.1:{port}"})
    assert isinstance(result.exception, TemporalUnavailable)
    assert f"cannot reach Temporal at 127.0.0.1:{port}" in str(result.exception)


async def test_a_gateway_joins_the_dev_on_the_data_directory(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    gateway = Command(tmp_path, {}, ["gateway", "--port", str(port), "--data-dir", str(dev.data_dir)])
    await gateway.start()
    session = await sessions.create()
    found = await http.get(f"http://127.0.0.1:{port}/v1/sessions/{session}")
    await gateway.stop()
    assert found.json()["session_id"] == session


async def test_show_tells_the_facts_and_the_last_turns(dev: Dev, sessions: Sessions) -> None:
    session = await sessions.create(user="ann")
    for number in range(3):
        await sessions.ask(session, f"question {number}")

    told = await ok(dev, "show", session, "--turns", "2")

    assert f"session  {session}" in told
    assert "status   idle" in told
    assert "user     ann" in told
    assert "… 1 earlier turns" in told
    assert [f"question {n}" in told for n in range(3)] == [False, True, True]
    assert await ok(dev, "show", f"default/{session}") == await ok(dev, "show", session)


async def test_a_cap_is_raised(dev: Dev, sessions: Sessions) -> None:
    session = await sessions.create()
    before = (await sessions.snapshot(session))["limits"]

    told = await ok(dev, "limit", session, "--session-cost", "7.5", "--steps", "3")

    assert told == f"a turn: 3 steps, at most ${before['turn']['cost_usd']:.2f}; the session: at most $7.50\n"
    after = (await sessions.snapshot(session))["limits"]
    assert (after["session"]["cost_usd"], after["turn"]["steps"]) == (7.5, 3)
    assert "say what to change, as in --session-cost 2" in await refused(dev, "limit", session)
    assert await refused(dev, "limit", "nobody-made-this", "--steps", "3") == "There is no such session."


async def test_stop_and_close(dev: Dev, sessions: Sessions, provider: FakeProvider) -> None:
    provider.script(Reply(fault="stall"))
    session = await sessions.create()
    assert await ok(dev, "stop", session) == "no turn runs\n"
    await sessions.send(session, "hi")
    async with sessions.view(session) as viewer:
        await viewer.until_streaming()
        assert await ok(dev, "stop", session) == "t1 was told to stop\n"
        finished = (await viewer.until("turn.finished"))[-1]
        assert finished.data["reason"] == "stopped"
        assert await ok(dev, "close", session) == "told to close\n"
        await viewer.until("session.closed")

    assert await ok(dev, "close", session) == "closed already\n"
    assert await refused(dev, "stop", session) == "The session is closed."


async def test_erase_asks_and_can_be_repeated(dev: Dev, http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await sessions.create(message="word " * 20_000)
    blobs = str(dev.data_dir / "blobs")
    named = ["erase", session, "--data-dir", str(dev.data_dir)]

    assert await refused(dev, *named, said="n\n") == "nothing was erased"
    assert (await sessions.snapshot(session))["status"] != "closed"
    assert await ok(dev, *named, "--yes") == f"erased 1 histories and 1 blobs in {blobs}\n"

    assert (await http.get(f"/v1/sessions/{session}")).status_code == 404
    assert await ok(dev, *named, "--yes") == f"erased 0 histories and 0 blobs in {blobs}\n"
    nowhere = ["erase", session, "--yes", "--data-dir", "/nowhere"]
    assert "there is no blob store at" in await refused(dev, *nowhere, environment=temporal_of(dev))
    assert "cannot be the id" in await refused(dev, "erase", "a' OR 'b", "--yes", "--data-dir", str(dev.data_dir))


async def test_a_session_that_no_worker_carries_on_is_erased_by_force(dev: Dev, temporal: Client) -> None:
    await temporal.start_workflow("SessionWorkflow", id="default/orphan", task_queue="nobody-polls-this")

    await ok(dev, "erase", "orphan", "--yes", "--terminate", "--data-dir", str(dev.data_dir))

    assert await refused(dev, "show", "orphan") == "There is no such session."


async def test_what_is_exported_replays_without_the_blob_store(
    dev: Dev, sessions: Sessions, temporal: Client, tmp_path: Path, provider: FakeProvider
) -> None:
    session = await sessions.create(metadata={"a": "x" * 30_000})
    async with sessions.view(session) as viewer:
        provider.script(Reply(text="one two three", fault="stall", fault_after=2))
        await sessions.send(session, "word " * 20_000)
        # Below the size at which parts are folded, so that the messages that wait make the carried state itself grow.
        for number in range(14):
            await sessions.send(session, f"{number} " + "long " * 6_000)
        await sessions.stop(session)
        await viewer.until("turn.finished", 15)
    runs = await runs_of(temporal, f"default/{session}")
    raw = [await temporal.get_workflow_handle(f"default/{session}", run_id=run).fetch_history() for run in runs]

    written = await ok(dev, "export", session, str(tmp_path / "golden"), "--data-dir", str(dev.data_dir))

    files = [tmp_path / "golden" / f"{session}.{number}.json" for number in range(1, len(runs) + 1)]
    assert written.splitlines() == [str(file) for file in files]
    assert any(b"perdure.blobs" in event.SerializeToString() for history in raw for event in history.events)
    replayer = Replayer(
        workflows=[SessionWorkflow],
        data_converter=data_converter(None),
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    for file in files:
        await replayer.replay_workflow(WorkflowHistory.from_json(f"default/{session}", file.read_text()))
    elsewhere = ["export", session, str(tmp_path), "--data-dir", str(tmp_path)]
    assert "blob store" in await refused(dev, *elsewhere, environment=temporal_of(dev))


async def test_the_files_of_a_session_are_exported_with_it(
    dev: Dev, sessions: Sessions, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    parts = [{"type": "file", "uri": "data:text/csv,a%0Ab", "name": "table.csv"}]
    session = await sessions.create(message={"parts": parts})
    snapshot = await sessions.snapshot(session)
    while not snapshot["messages"]:
        snapshot = await sessions.snapshot(session)
    sha256 = snapshot["messages"][0]["parts"][0]["uri"].rpartition("/")[2]

    written = await ok(dev, "export", session, str(tmp_path), "--data-dir", str(dev.data_dir))

    file = tmp_path / f"{session}.files" / f"{sha256}.csv"
    assert written.splitlines()[-1] == str(file)
    assert await asyncio.to_thread(file.read_bytes) == b"a\nb"
    assert "file table.csv (text/csv)" in await ok(dev, "show", session)


async def test_what_is_not_there_is_told(dev: Dev, tmp_path: Path) -> None:
    for command in (["show"], ["stop"], ["close"]):
        assert await refused(dev, *command, "nobody-made-this") == "There is no such session."
    assert await refused(dev, "export", "nobody-made-this", str(tmp_path)) == "There is no such session."
    assert "cannot be the id of a tenant" in await refused(dev, "list", "--tenant", "a/b")


async def test_a_session_is_rewound_run_on_and_its_branches_are_listed(
    dev: Dev, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.script(Reply(text="One."), Reply(text="Uno."), Reply(status=401), Reply(text="Dos."))
    session = await sessions.create(message={"message_id": "m1", "text": "one"})
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
        refused = await perdure(dev, "rewind", session)
        assert isinstance(refused.exception, Refused)
        assert "its messages are:\n  m1           user: one\n  t1.s1        assistant: One." in str(refused.exception)
        said = await perdure(dev, "rewind", session, "--message", "m1", "--text", "uno")
        assert said.stdout == "b2 goes on\n"
        await viewer.until("turn.finished", 2)
        await sessions.send(session, "dos")
        await viewer.until("turn.finished", 3)
        assert (await perdure(dev, "retry", session)).stdout == "t4 goes on\n"
        await viewer.until("turn.finished", 4)
    assert (await perdure(dev, "branches", session)).stdout == (
        "  b1    2 messages  One.\n* b2    4 messages, from b1 after 0  Dos.\n"
    )
    assert (await perdure(dev, "rewind", session, "--branch", "b1")).stdout == "b1 goes on\n"
    for options, told in (
        (["--branch", "b9"], "There is no such branch|has no such branch"),
        (["--message", "m1", "--branch", "b1"], "give either message_id or branch"),
        (["--message", "t1.s1", "--text", "x"], "--text: only counts for a message of a user"),
    ):
        refused = await perdure(dev, "rewind", session, *options)
        assert isinstance(refused.exception, Refused)
        assert re.search(told, str(refused.exception)), refused.exception
