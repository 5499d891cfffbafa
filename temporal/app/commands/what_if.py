"""`perdure replay --what-if`: what would another definition or model have made of turns that were recorded?

Rule 1: it costs what its model calls cost, so the sessions have to be named, and each has one turn run again.
Rule 2: the session itself is only asked; nothing of it changes.
Exit codes: 0 all turns were run again, 2 any was not.
"""

import asyncio
import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text as Line
from temporalio.service import RPCError

from perdure.temporal.app.console.direct import reach
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import one_line, plain
from perdure.temporal.app.processes.sources import usual_sources
from perdure.temporal.app.replay.recorded import found_by
from perdure.temporal.app.what_if.report import Report, WhatIf, as_json, summary, tables
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.settings import environment
from perdure.workflows.definition.agent import ModelDefinition

if TYPE_CHECKING:
    from perdure.temporal.app.what_if.session import Again

_AT_ONCE: Final = 4
#: Where no person looks on, lines are as long as they are.
_LOG_WIDTH: Final = 200


@dataclass(frozen=True)
class Options:
    """What the command was given."""

    sessions: tuple[str, ...]
    #: A query to Temporal's visibility store, in place of sessions by name.
    query: str | None
    turn: str | None
    agent: str | None
    model: str | None
    agents: list[Path] | None
    tools: list[str] | None
    models: Path | None
    tenant: str
    data_dir: Path | None

    def check(self) -> None:
        """Raises `Refused`."""
        if not self.sessions and self.query is None:
            raise Refused(
                "--what-if calls models, which costs money: name the sessions with --session, --query or --since"
            )
        if self.sessions and self.query is not None:
            raise Refused("--session, --query and --since are ways to say which sessions; give one")
        if self.agent is None and self.model is None and self.agents is None:
            raise Refused("say what is to be other: --agent, --model, or --agents with the agent's other definition")
        if self.agent is None and self.agents is None and (self.tools or self.models):
            raise Refused("--tools and --models belong to definitions: give --agent or --agents as well")
        if self.model is not None and "/" in self.model:
            try:
                ModelDefinition(use=self.model)
            except ValidationError as error:
                reason = str(error.errors()[0]["msg"]).removeprefix("Value error, use: ")
                raise Refused(f"--model {self.model}: {reason}") from None


async def what_if(options: Options) -> Report:
    """Runs the turns again. Raises `Refused`, `TemporalUnavailable`, and what `direct.run` tells."""
    # The providers' SDKs take seconds to import, which no other command should wait for.
    from perdure.activities.models.providers import Providers
    from perdure.temporal.app.what_if.session import Again, Definer

    options.check()
    to = await reach(options.tenant, options.data_dir)
    named = list(dict.fromkeys(to.session(session).workflow_id for session in options.sessions))
    if options.query is not None:
        named = list(dict.fromkeys(run.workflow_id for run in await found_by(to.client, options.query)))
    sources = None
    if options.agent is not None or options.agents is not None:
        sources = usual_sources(options.agents, options.tools, options.models)
    definer = Definer(sources, to.blobs, options.agent, options.model)
    for problem in definer.problems:
        Console(stderr=True).print(f"warning: {problem}", markup=False, highlight=False, soft_wrap=True)
    async with aclosing(Providers(environment())) as providers:
        return await _all(named, Again(to, definer, providers), options)


async def _all(named: list[str], again: "Again", options: Options) -> Report:
    found: dict[str, WhatIf | str | None] = {}
    room = asyncio.Semaphore(_AT_ONCE)
    with _progress() as progress:
        bar = progress.add_task("running again", total=len(named))

        async def one(session: str) -> None:
            async with room:
                try:
                    found[session] = await again.run(session, options.turn, quietly=options.query is not None)
                except SessionError as error:
                    found[session] = error.detail
                except RPCError as error:
                    found[session] = f"Temporal refused: {error.message}"
            progress.update(bar, advance=1)

        async with asyncio.TaskGroup() as group:
            for session in named:
                group.create_task(one(session))
    report = Report()
    for session in named:
        match found[session]:
            case None:
                report.skipped.append(session)
            case str(reason):
                report.failed.append((session, reason))
            case WhatIf() as turn:
                report.turns.append(turn)
    return report


def show(report: Report) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)
    for table in tables(report):
        console.print(table)
    for session, reason in report.failed:
        console.print(Line(f"{plain(session)}: {one_line(reason, 300)}", style="red"), soft_wrap=True)
    console.print(Line(summary(report), style="bold red" if report.exit_code else "green"), soft_wrap=True)


def json_bytes(report: Report) -> bytes:
    return orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2) + b"\n"


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
