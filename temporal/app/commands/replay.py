"""`perdure replay`: would the code that is installed decide in recorded sessions as was decided then? A deploy gate.

Exit codes: 0 nothing would break, 1 something would (or cannot be shown not to), 2 nothing could be replayed.
With `--what-if`, it is another command, see `perdure.temporal.app.commands.what_if`.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from perdure.temporal.app.commands import what_if as what_ifs
from perdure.temporal.app.console.direct import run
from perdure.temporal.app.console.errors import print_error
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import plain
from perdure.temporal.app.replay.pool import replay_all
from perdure.temporal.app.replay.recorded import active_since, found_by, in_folder
from perdure.temporal.app.replay.verdicts import Outcome, Recorded, Setup, Verdict
from perdure.temporal.server.client import TemporalUnavailable, connect
from perdure.temporal.settings import Settings, SettingsInvalid
from perdure.workflows.vocabulary.durations import parse_duration

_DEFAULT_SINCE: Final = "7d"
#: Where no person looks on, lines are as long as they are.
_LOG_WIDTH: Final = 480


@dataclass
class Report:
    """What came of a replay of many histories."""

    #: Those that do not pass.
    bad: list[tuple[Recorded, Outcome]] = field(default_factory=list)
    runs: Counter[Verdict] = field(default_factory=Counter)
    sessions: set[str] = field(default_factory=set)
    processes: int = 0
    seconds: float = 0

    def add(self, recorded: Recorded, outcome: Outcome) -> None:
        self.runs[outcome.verdict] += 1
        named = {"workflow_id": outcome.workflow_id, "run_id": outcome.run_id}
        recorded = recorded.model_copy(update={name: value for name, value in named.items() if value})
        self.sessions.add(recorded.workflow_id)
        if outcome.verdict not in ("same", "gone"):
            self.bad.append((recorded, outcome))

    @property
    def replayed(self) -> int:
        return self.runs["same"] + self.runs["broken"]

    @property
    def worst_first(self) -> list[tuple[Recorded, Outcome]]:
        """Those that do not pass, the live ones first."""
        return sorted(self.bad, key=lambda pair: (not pair[0].live, pair[0].workflow_id, str(pair[0].file or "")))

    @property
    def exit_code(self) -> int:
        if not self.replayed:
            return 2 if self.bad else 0
        return 1 if self.bad else 0


def replay(
    query: str | None,
    since: str | None,
    folder: Path | None,
    processes: int | None,
    json_file: Path | None,
    data_dir: Path | None,
    what_if: bool,
    session: list[str] | None,
    turn: str | None,
    agent: str | None,
    model: str | None,
    agents: list[Path] | None,
    tools: list[str] | None,
    models: Path | None,
    tenant: str,
) -> None:
    """Replays recorded sessions against the installed code, and shows those that would break. Ends by `typer.Exit`."""
    try:
        if what_if:
            if folder is not None or processes is not None:
                raise Refused("--what-if asks the sessions themselves, so --dir and --processes do not go with it")
            if query is not None and since is not None:
                raise Refused("--query and --since are two ways to say which sessions; give one")
            found = active_since(_moment(since)) if since is not None else query
            options = what_ifs.Options(
                tuple(session or ()), found, turn, agent, model, agents, tools, models, tenant, data_dir
            )
            _what_if(options, json_file)
        if any(option is not None for option in (session, turn, agent, model, agents, tools, models)):
            raise Refused("--session, --turn, --agent, --model, --agents, --tools and --models go with --what-if")
        if sum(option is not None for option in (query, since, folder)) > 1:
            raise Refused("--query, --since and --dir are three ways to say what to replay; give one")
        _check_json(json_file)
        report = run(_replay(query, since, folder, processes or os.cpu_count() or 1, data_dir))
    except (Refused, TemporalUnavailable, SettingsInvalid) as problem:
        # As every command tells it, but 1 would say that something was replayed.
        print_error(problem)
        raise typer.Exit(2) from problem
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(_as_json(report), option=orjson.OPT_INDENT_2) + b"\n")
    _show(report)
    raise typer.Exit(report.exit_code)


def _what_if(options: what_ifs.Options, json_file: Path | None) -> NoReturn:
    _check_json(json_file)
    report = run(what_ifs.what_if(options))
    if json_file is not None:
        json_file.write_bytes(what_ifs.json_bytes(report))
    what_ifs.show(report)
    raise typer.Exit(report.exit_code)


def _check_json(json_file: Path | None) -> None:
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise Refused(f"--json {json_file}: there is no such folder")
    if json_file is not None and json_file.is_dir():
        raise Refused(f"--json {json_file}: this is a folder")


async def _replay(
    query: str | None, since: str | None, folder: Path | None, processes: int, data_dir: Path | None
) -> Report:
    settings = Settings.load(data_dir=data_dir)
    if folder is not None:
        recorded = await asyncio.to_thread(in_folder, folder)
    else:
        wanted = query if query is not None else active_since(_moment(since))
        recorded = await found_by(await connect(settings), wanted)
    blobs = settings.blob_store
    where = str(blobs.absolute()) if isinstance(blobs, Path) else blobs.url
    setup = Setup(blobs=where, server=folder is None, data_dir=settings.data_dir.absolute())
    report = Report(processes=min(processes, len(recorded)))
    began = time.monotonic()
    with _progress() as progress:
        bar = progress.add_task("replaying", total=len(recorded), bad=0)

        def done(one: Recorded, outcome: Outcome) -> None:
            report.add(one, outcome)
            progress.update(bar, advance=1, bad=len(report.bad))

        await replay_all(recorded, setup, report.processes, done)
    report.seconds = time.monotonic() - began
    return report


def _moment(since: str | None) -> datetime:
    try:
        ago: timedelta = parse_duration(since or _DEFAULT_SINCE)
        return datetime.now(UTC) - ago
    except (ValueError, OverflowError) as error:
        raise Refused(f"--since {since}: {error}") from None


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("[red]{task.fields[bad]} bad"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _show(report: Report) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)
    if report.bad:
        console.print(_table(report))
    console.print(Text(_summary(report), style="bold red" if report.bad else "green"))


def _table(report: Report) -> Table:
    with_files = any(recorded.file for recorded, _ in report.bad)
    table = Table("session", "file" if with_files else "run", "", "why")
    for recorded, outcome in report.worst_first:
        where = recorded.file.name if recorded.file else recorded.run_id
        state = Text("live", style="bold red") if recorded.live else Text("closed", style="dim")
        table.add_row(Text(plain(recorded.workflow_id)), Text(plain(where)), state, Text(outcome.reason))
    # A session's id is there to be copied, so it is never folded or cut.
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    table.columns[3].min_width = 30
    return table


def _summary(report: Report) -> str:
    total = report.runs.total()
    if not total:
        return "no session matches, so there was nothing to replay"
    done = f"{_count(report.replayed, 'run')} of {_count(len(report.sessions), 'session')} replayed"
    parts = [f"{done} in {report.seconds:.1f} s over {_count(report.processes, 'process', 'processes')}"]
    live = sum(recorded.live for recorded, _ in report.bad)
    broken, rest = report.runs["broken"], len(report.bad) - report.runs["broken"]
    parts.append(f"{broken} would break" if broken else "none would break")
    if rest:
        parts.append(f"{rest} could not be replayed")
    if report.bad:
        parts.append(f"{live} of these live")
    if report.runs["gone"]:
        parts.append(f"{report.runs['gone']} gone meanwhile")
    return ", ".join(parts)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "runs": report.runs.total(),
        "sessions": len(report.sessions),
        "verdicts": dict(report.runs),
        "processes": report.processes,
        "seconds": round(report.seconds, 3),
        "exit_code": report.exit_code,
        "bad": [
            {
                "workflow_id": recorded.workflow_id,
                "run_id": recorded.run_id,
                "live": recorded.live,
                "file": str(recorded.file) if recorded.file else None,
                "verdict": outcome.verdict,
                "reason": outcome.reason,
            }
            for recorded, outcome in report.worst_first
        ],
    }
