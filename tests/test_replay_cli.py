"""`perdure replay` as a deploy gate: its output, its exit code, and that it detects a change of the code itself."""

import asyncio
import base64
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToJson
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference
from typer.testing import CliRunner

import perdure
from perdure.temporal.app.cli import app
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.replay.pool import replay_all
from perdure.temporal.app.replay.verdicts import Outcome, Recorded, Setup, verdict
from perdure.temporal.server.dev_addresses import DevAddresses, published
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on

GOLDEN = Path(__file__).parent / "golden" / "sessions"


Told = tuple[int, str, dict[str, Any]]


async def replay(folder: Path, *arguments: str, **environment: str) -> Told:
    """Runs the command in this process: its exit code, its output, and its `--json`."""
    report = folder / "report.out"
    given = ["replay", *arguments, "--json", str(report)]
    # The command runs an event loop of its own.
    result = await asyncio.to_thread(CliRunner().invoke, app, given, env=environment)
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.output, read(report)


async def gate(folder: Path, *arguments: str, **environment: str) -> Told:
    """The same in a process of its own, as a deploy gate runs it."""
    report = folder / "report.out"
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "perdure",
        "replay",
        *arguments,
        "--json",
        str(report),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), read(report)


def read(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.read_text()) if report.is_file() else {}
    report.unlink(missing_ok=True)
    return found


def edited(folder: Path, name: str, edit: Callable[[dict[str, Any]], object]) -> Path:
    """A golden history with a change, as a file in `folder`."""
    history = json.loads((GOLDEN / "plain.1.json").read_text())
    edit(history)
    file = folder / name
    file.write_text(json.dumps(history))
    return file


def lose_payload(history: dict[str, Any]) -> None:
    """Moves its first payload to a blob store that does not have it."""
    key = "lab/erased/x-" + "0" * 64
    reference = ExternalStorageReference(driver_name="perdure.blobs", claim_data={"key": key})
    kind = ExternalStorageReference.DESCRIPTOR.full_name
    metadata = {"encoding": "json/protobuf", "messageType": kind}
    history["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"] = [
        {
            "metadata": {name: base64.b64encode(value.encode()).decode() for name, value in metadata.items()},
            "data": base64.b64encode(MessageToJson(reference).encode()).decode(),
            "externalPayloads": [{"sizeBytes": "10"}],
        }
    ]


def planted(folder: Path) -> Path:
    """A copy of our package whose session sleeps for a moment before it does anything."""
    source = Path(perdure.__file__).parent
    copy = folder / "changed"
    shutil.copytree(source, copy / "perdure", ignore=shutil.ignore_patterns("__pycache__"))
    session = copy / "perdure" / "workflows" / "session.py"
    head = "    async def run(self, start: SessionInput) -> Any:\n"
    text = session.read_text()
    assert text.count(head) == 1
    session.write_text(text.replace(head, f"{head}        await workflow.sleep(1)\n"))
    return copy


@pytest.mark.slow
async def test_golden_histories_pass(tmp_path: Path) -> None:
    code, said, report = await replay(tmp_path, "--dir", str(GOLDEN))
    files = len(list(GOLDEN.glob("*.json")))
    assert (code, report["verdicts"], report["bad"]) == (0, {"same": files}, []), said
    assert f"{files} runs of" in said
    assert "none would break" in said


@pytest.mark.slow
async def test_a_change_that_breaks_sessions_is_caught_and_the_sessions_are_named(tmp_path: Path) -> None:
    code, said, report = await gate(tmp_path, "--dir", str(GOLDEN), PYTHONPATH=str(planted(tmp_path)))
    assert code == 1, said
    assert report["verdicts"] == {"broken": len(list(GOLDEN.glob("*.json")))}
    live = [one["live"] for one in report["bad"]]
    assert live == sorted(live, reverse=True)
    for one in report["bad"]:
        assert one["workflow_id"].startswith("lab/")
        assert one["workflow_id"] in said
        assert one["reason"] and "Failure {" not in one["reason"]
        assert one["reason"] in said


async def test_what_cannot_be_replayed_is_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "histories"
    (folder / "deeper").mkdir(parents=True)
    shutil.copy(GOLDEN / "close.2.json", folder / "deeper")
    (folder / "half.json").write_text((GOLDEN / "plain.1.json").read_text()[:5000])
    (folder / "list.json").write_text("[]")
    (folder / "empty.json").write_text('{"events": []}')
    edited(folder, "headless.json", lambda history: history["events"].pop(0))
    edited(folder, "fresh.json", lambda history: history.update(events=history["events"][:1]))
    edited(folder, "blob.json", lose_payload)
    code, said, report = await replay(tmp_path, "--dir", str(folder))
    assert code == 1, said
    assert report["verdicts"] == {"same": 2, "unreadable": 4, "blob_missing": 1}
    verdicts = {Path(one["file"]).name: (one["verdict"], one["reason"].partition(": ")[0]) for one in report["bad"]}
    broken = ("unreadable", "broken file")
    assert verdicts == {
        **dict.fromkeys(("half.json", "list.json", "empty.json", "headless.json"), broken),
        "blob.json": ("blob_missing", "blob missing"),
    }
    for name in verdicts:
        assert name in said


@pytest.mark.slow
async def test_nothing_that_could_be_replayed_is_no_pass(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    code, said, _ = await replay(tmp_path, "--dir", str(empty))
    assert (code, "it contains no *.json file" in said) == (2, True)
    (empty / "broken.json").write_text("{")
    code, said, report = await replay(tmp_path, "--dir", str(empty))
    assert (code, report["verdicts"]) == (2, {"unreadable": 1}), said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "7 days"], "a duration is a number and a unit"),
        (["--since", "7d", "--dir", "."], "give one"),
        (["--dir", "nowhere"], "no such folder"),
        (["--processes", "0"], "processes"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
async def test_bad_arguments_are_told_in_words(tmp_path: Path, arguments: list[str], words: str) -> None:
    code, said, report = await replay(tmp_path, *arguments)
    assert (code, report) == (2, {})
    assert words in said
    assert "Traceback" not in said


@pytest.mark.slow
async def test_a_history_that_a_process_does_not_survive_is_the_only_one_to_blame(tmp_path: Path) -> None:
    whole = [Recorded(workflow_id=f"w{n}", run_id="", live=True, file=GOLDEN / "plain.1.json") for n in range(3)]
    # A reader of this pipe waits forever.
    pipe = tmp_path / "never-written"
    os.mkfifo(pipe)
    stuck = Recorded(workflow_id="stuck", run_id="", live=True, file=pipe)
    results: dict[str, str] = {}

    def done(recorded: Recorded, outcome: Outcome) -> None:
        assert recorded.workflow_id not in results
        results[recorded.workflow_id] = outcome.verdict

    setup = Setup(blobs=str(tmp_path), server=False)
    await replay_all([whole[0], stuck, *whole[1:]], setup, 1, done, patience_s=2)
    assert results == {"w0": "same", "stuck": "lost", "w1": "same", "w2": "same"}


def test_a_failure_is_told_by_its_messages_alone() -> None:
    inner = 'cause: Some(Failure { message: "said \\"no\\"\\nFor further information visit https://x/y", cause: None })'
    text = (
        f'4: Failed: Failure {{ message: "Failed decoding", stack_trace: " message: \\"x\\"", {inner}, r#type: "Oh" }}'
    )
    assert verdict(RuntimeError(text)) == Outcome(verdict="broken", reason='Oh: Failed decoding: said "no"')
    assert verdict(RuntimeError("short")) == Outcome(verdict="broken", reason="short")
    assert verdict(None) == Outcome(verdict="same")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("replay")) as opened:
        yield opened


async def listed(lab: Lab, talk: Talk, runs: int, status: str) -> None:
    """Waits until the visibility store shows this many runs, and one of this status."""
    async with asyncio.timeout(30):
        while True:
            query = f"WorkflowId = '{talk.handle.id}'"
            found = [run.status async for run in lab.client.list_workflows(query)]
            if len(found) >= runs and status in [one.name for one in found if one]:
                return


@pytest.mark.slow
@pytest.mark.server
async def test_sessions_of_a_server(lab: Lab, temporal_server: DevServer, tmp_path: Path) -> None:
    chain = await lab.start("staged", continue_as_new_after=50)
    for number in range(4):
        lab.stage.plays = [Play("", [("add", {"a": number, "b": 1})]), Play("done")]
        await chain.turn(f"turn {number}")
    closed = await lab.start(first="hello")
    await closed.until(ends)
    await closed.close()
    await closed.handle.result()
    await listed(lab, chain, 2, "RUNNING")
    await listed(lab, closed, 1, "COMPLETED")

    server = {"TEMPORAL_ADDRESS": temporal_server.address, "PERDURE_BLOB_DIR": str(lab.parts.settings.blob_store)}
    both = f"WorkflowId = '{closed.handle.id}' OR WorkflowId = '{chain.handle.id}' AND ExecutionStatus = 'Running'"
    code, said, report = await replay(tmp_path, "--query", both, **server)
    assert (code, report["sessions"], list(report["verdicts"])) == (0, 2, ["same"]), said
    # Of the chain, the query finds only the last run.
    assert report["runs"] >= 3

    # The processes that replay find the server where the command does.
    data = tmp_path / "data"
    data.mkdir()
    blobs = {"PERDURE_BLOB_DIR": server["PERDURE_BLOB_DIR"]}
    with published(data, DevAddresses("http://127.0.0.1:1", temporal_server.address, None)):
        code, said, report = await gate(tmp_path, "--query", both, "--data-dir", str(data), **blobs)
    assert (code, report["sessions"]) == (0, 2), said

    code, said, report = await gate(tmp_path, "--query", both, PYTHONPATH=str(planted(tmp_path)), **server)
    assert code == 1, said
    assert report["bad"][0]["workflow_id"] == chain.handle.id
    assert [one["live"] for one in report["bad"]] == [True] + [False] * (report["runs"] - 1)
    for one in report["bad"]:
        assert one["workflow_id"] in said
        assert one["run_id"] in said

    code, said, report = await replay(tmp_path, "--query", "WorkflowId = 'nobody'", **server)
    assert (code, report["runs"]) == (0, 0)
    assert "no session matches" in said
    code, said, report = await replay(tmp_path, "--query", "Nonsense ((", **server)
    assert (code, "Traceback" in said) == (2, False), said
