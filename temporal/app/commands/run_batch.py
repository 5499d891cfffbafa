"""`perdure run AGENT --csv FILE --out RESULTS`: an agent run once for each row, over the gateway's HTTP.

Rule: a row has one run, whatever is killed meanwhile, for its key is made of the file and the row. The same command again
goes on where the one before was ended.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from perdure.client import Perdure
from perdure.temporal.app.commands.run import agent_of
from perdure.temporal.app.console.gateway import GatewayAddress
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import dollars
from perdure.temporal.app.worker_runs.client import RunClient
from perdure.temporal.app.worker_runs.inputs import read_pairs
from perdure.temporal.app.worker_runs.progress import BatchProgress
from perdure.temporal.app.worker_runs.results import Results
from perdure.temporal.app.worker_runs.rows import Row, Table, read_table


def run_batch(
    agent: str,
    file: Path,
    out: Path | None,
    gateway: GatewayAddress,
    *,
    parallel: int,
    inputs: list[str],
    message: str | None,
    retry_failed: bool,
) -> None:
    """Runs all rows that have no result yet. Raises `Refused`, and `typer.Exit` where a row has failed or waits."""
    if out is None:
        raise Refused("name the file of the results with --out")
    console = Console(stderr=True, soft_wrap=True)
    known = agent_of(gateway, agent)
    given = read_pairs(agent, known["inputs"], inputs, whole=False)
    table = read_table(file, agent, known["inputs"], given, message)
    results = Results(out, table, tuple(known.get("answer", {}).get("properties", ())))
    done = results.take_up()
    try:
        with BatchProgress(console, agent, done, len(table.rows)) as progress:
            if done:
                progress.say(f"{done} of {len(table.rows)} rows have their results already")
            waiting = asyncio.run(_all(gateway, table, results, progress, parallel, anew=retry_failed))
    except KeyboardInterrupt:
        raise Refused("stopped; what has begun goes on, and the same command again takes it up") from None
    counts = Counter(run["status"] for run in results.found.values())
    costs = [run.get("cost_usd") for run in results.found.values() if run["status"] != "refused"]
    spent = dollars(None if None in costs else sum(cost for cost in costs if cost is not None))
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    progress.say(f"{len(table.rows)} rows: {told or 'none over'}; {spent}; {progress.rate:.1f} rows/s")
    if waiting:
        ids = ", ".join(waiting[:3])
        raise Refused(
            f"{len(waiting)} runs wait for people, such as {ids}: answer them, and give the same command again"
        )
    results.finish()
    typer.echo(str(out))
    if counts.keys() - {"done"}:
        raise typer.Exit(1)


async def _all(
    gateway: GatewayAddress, table: Table, results: Results, progress: BatchProgress, parallel: int, *, anew: bool
) -> list[str]:
    """Runs what has no result yet, so many at a time. The ids of runs that wait for people. Raises `Refused`."""
    waiting: list[str] = []
    left = iter([row for row in table.rows if row.number not in results.found])
    async with Perdure(gateway.url, headers=gateway.headers) as perdure:
        client = RunClient(perdure, progress.say)

        async def work(rows: Iterator[Row]) -> None:
            for row in rows:
                run: dict[str, Any] = await client.run(row.body, anew=anew)
                if run["status"] == "waiting":
                    waiting.append(run["run_id"])
                    continue
                results.add(row, run)
                progress.advance(failed=run["status"] != "done")

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(parallel):
                    group.create_task(work(left))
        except* Refused as refused:
            raise refused.exceptions[0] from None
    return waiting
