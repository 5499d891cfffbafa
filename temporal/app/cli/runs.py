"""The command `run`: what it takes."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.temporal.app.cli.options import ApiKeyFile, DataDir, Url, flag

_BATCH = "Many runs"


def run(
    agent: Annotated[str, typer.Argument(help="The agent, by its name.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="The agent's inputs, each as key=value.")
    ] = None,
    message: Annotated[
        str | None, typer.Option(help="What the agent is told; by default its inputs, a line for each.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The same key again is the same run; by default, each run is a new one.")
    ] = None,
    as_json: Annotated[bool, flag("--json", "Print the whole run as JSON: status, result, usage, cost.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the result; without, print the run's id.")] = True,
    csv: Annotated[
        Path | None, typer.Option(help="Run once for each row of this file.", rich_help_panel=_BATCH)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file of the results: .csv or .jsonl.", rich_help_panel=_BATCH)
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=500, help="So many runs at a time.", rich_help_panel=_BATCH)] = 16,
    url: Url = None,
    data_dir: DataDir = None,
    api_key_file: ApiKeyFile = None,
) -> None:
    """Run an agent once for its result, or once for each row of a CSV file. Exits with 1 where a run fails."""
    from perdure.temporal.app.console.gateway import gateway_address

    gateway = gateway_address(url, data_dir, api_key_file)
    if csv is None:
        from perdure.temporal.app.commands import run

        run.run_once(agent, inputs or [], gateway, message=message, key=key, as_json=as_json, wait=wait)
    else:
        from perdure.temporal.app.commands import run_batch

        run_batch.run_batch(agent, csv, out, gateway, parallel=parallel, inputs=inputs or [], message=message)
