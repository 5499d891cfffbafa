"""`perdure run` as people run it, one run and a file of them, over kills of the command and of all of Perdure."""

import asyncio
import csv
import json
import sys
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.dev import Dev

pytestmark = pytest.mark.server

_PROGRAM: Final = Path(sys.executable).parent / "perdure"
SORTER = """\
name: sorter
models: {main: {use: demo/demo}}
model: main
instructions: Sort what a customer writes.
inputs: {subject: {type: string}}
answer:
  schema:
    type: object
    properties: {topic: {type: string, enum: [order, refund, other]}, urgency: {type: integer}}
    required: [topic, urgency]
"""

JUDGE = """\
name: judge
models: {main: {use: demo/demo}}
model: main
instructions: Judge.
inputs: {days: {type: integer}}
answer: {schema: {type: object, properties: {late: {type: boolean}}, required: [late]}}
handlers:
  message: [finish: {result: {late: "{{ days > 3 }}"}}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "sorter.yaml": SORTER,
        "judge.yaml": JUDGE,
        "teller.yaml": SORTER.partition("inputs")[0].replace("sorter", "teller"),
    }


async def begin(dev: Dev, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        _PROGRAM,
        *("run", *arguments, "--url", dev.url),
        cwd=dev.data_dir,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(dev: Dev, *arguments: str) -> tuple[int, str, str]:
    """The exit code, the standard output and the standard error."""
    process = await begin(dev, *arguments)
    out, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), said.decode()


async def test_the_result_alone_is_on_the_standard_output(dev: Dev) -> None:
    code, out, said = await run(dev, "sorter", "subject=A refund, please")
    assert (code, json.loads(out)) == (0, {"topic": "refund", "urgency": 1})
    assert "t1.s1 demo/demo" in said
    code, out, said = await run(dev, "teller", "--message", "Hello")
    assert code == 0
    assert out.startswith("Hello! ")


async def test_a_result_that_a_handler_gives(dev: Dev) -> None:
    code, out, _ = await run(dev, "judge", "days=5")
    assert (code, json.loads(out)) == (0, {"late": True})


async def test_the_whole_run_as_json(dev: Dev) -> None:
    code, out, _ = await run(dev, "sorter", "subject=/fail auth", "--json")
    assert (code, json.loads(out)["error"]["type"]) == (1, "model_auth")


async def test_a_key_makes_it_the_same_run(dev: Dev, http: httpx2.AsyncClient) -> None:
    runs = [await run(dev, "sorter", "subject=Refund", "--key", "k1", "--no-wait") for _ in range(2)]
    assert runs[0][:2] == runs[1][:2]
    assert (await http.get(f"/v1/runs/{runs[0][1].strip()}?wait=60")).json()["status"] == "done"


async def test_what_is_refused(dev: Dev) -> None:
    assert (await run(dev, "nobody"))[0] == 1
    code, out, said = await run(dev, "sorter", "subjekt=a")
    assert (code, out) == (1, "")
    assert "sorter takes no such input; there are: subject" in said
    rows = dev.data_dir / "wrong.csv"
    rows.write_text("subject,age\na,1\n")
    code, _, said = await run(dev, "sorter", "--csv", str(rows), "--out", "wrong.jsonl")
    assert code == 1
    assert "line 1: 'age' is no input of sorter" in said


def write(file: Path, count: int) -> None:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([["subject"], *([f"{number}: a refund"] for number in range(count))])


async def test_a_file_of_rows(dev: Dev) -> None:
    rows = dev.data_dir / "rows.csv"
    write(rows, 8)
    rows.write_text(rows.read_text() + "/fail auth\n")
    code, out, said = await run(dev, "sorter", "--csv", str(rows), "--out", "out.csv", "--parallel", "4")
    # One of them failed.
    assert (code, out) == (1, "out.csv\n")
    assert "9 rows: 8 done, 1 failed" in said
    with (dev.data_dir / "out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [one["topic"] for one in found] == ["refund"] * 8 + [""]
    assert found[8]["error"].startswith("model_auth: ")
    again = await run(dev, "sorter", "--csv", str(rows), "--out", "again.csv")
    assert (dev.data_dir / "again.csv").read_text() == (dev.data_dir / "out.csv").read_text()
    assert again[0] == 1
    code, _, _ = await run(dev, "sorter", "--csv", str(rows), "--out", "anew.csv", "--retry-failed")
    with (dev.data_dir / "anew.csv").open(newline="") as file:
        anew = list(csv.DictReader(file))
    # What had failed was run once more; here, it fails again.
    assert code == 1
    assert [one == old for one, old in zip(anew, found, strict=True)] == [True] * 8 + [False]
    assert anew[8]["run_id"] != found[8]["run_id"]


async def sessions(http: httpx2.AsyncClient, agent: str) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page: dict[str, Any] = (
            await http.get("/v1/sessions", params={"agent": agent, **({"cursor": cursor} if cursor else {})})
        ).json()
        found += [one["session_id"] for one in page["sessions"]]
        cursor = page["next_cursor"]
    return found


@pytest.mark.slow
async def test_each_row_runs_once_over_kills_of_the_command_and_of_all_of_perdure(
    dev: Dev, http: httpx2.AsyncClient
) -> None:
    count = 150
    rows, journal = dev.data_dir / "many.csv", dev.data_dir / "many.jsonl.part"
    write(rows, count)
    before = set(await sessions(http, "sorter"))
    command = ("sorter", "--csv", str(rows), "--out", "many.jsonl", "--parallel", "16")

    async def until_journal_has(lines: int) -> None:
        while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
            await http.get("/healthz")

    first = await begin(dev, *command)
    await until_journal_has(30)
    first.kill()
    await first.wait()
    second = await begin(dev, *command)
    await until_journal_has(60)
    await dev.kill(group=True)
    await dev.start()
    out, said = await second.communicate()
    assert (second.returncode, out) == (0, b"many.jsonl\n"), said

    found = [json.loads(line) for line in (dev.data_dir / "many.jsonl").read_text().splitlines()]
    assert [one["row"] for one in found] == list(range(1, count + 1))
    assert {one["status"] for one in found} == {"done"}
    made = {one["run_id"] for one in found}
    assert len(made) == count
    # No row has another run that nobody knows of.
    async with httpx2.AsyncClient(base_url=dev.url, timeout=60) as anew:
        while not made <= set(listed := await sessions(anew, "sorter")):
            pass
    assert sorted(set(listed) - before) == sorted(made)
