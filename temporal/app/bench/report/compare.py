"""Compares two runs: what changed, and whether by more than noise. Pure except for the console's types.

Rule 1: ratios and counts weigh more than times: both parts of a ratio ran on the same machine in the same minutes, so a
smaller change of a ratio is significant.
Rule 2: if the machines differ, or one run was quick, only ratios and counts are judged; the rest is only shown.
"""

from typing import Final, Literal

from rich.table import Table

from perdure.temporal.app.bench.report.report import TITLES, Group, Report, Row, Unit, number
from perdure.workflows.vocabulary.parts import Frozen

#: Percentage by which a figure may change between two runs of the same code.
_NOISE: Final[dict[Unit, float]] = {
    "events": 0,
    "calls": 0,
    "bytes": 2,
    "times": 15,
    "KB": 15,
    "MB": 10,
    "turns/s": 30,
    "s": 30,
    "ms": 30,
    "% of a core": 30,
}
#: Absolute changes up to these count as none, whatever their percentage.
_SMALL: Final[dict[Unit, float]] = {"ms": 0.5, "s": 0.1, "% of a core": 2}
_STEADY: Final = frozenset[Unit]({"events", "calls", "bytes", "times"})

Verdict = Literal["newly missed", "newly met", "worse", "better", "", "not comparable", "new", "gone"]
_SHOWN: Final[dict[Verdict, str]] = {
    "newly missed": "bold red",
    "worse": "red",
    "newly met": "green",
    "better": "green",
}


class Change(Frozen):
    group: Group
    name: str
    unit: Unit
    old: float | None
    new: float | None
    #: Relative to the old value; None if there is nothing to compare.
    percent: float | None
    verdict: Verdict


def comparable(old: Report, new: Report) -> bool:
    """Whether times and amounts of the two can be compared."""
    kinds = [(report.quick, report.machine["cores"], report.machine["system"]) for report in (old, new)]
    return kinds[0] == kinds[1]


def changes(old: Report, new: Report) -> tuple[Change, ...]:
    """Changes in the order of the new report, then rows that only the old one has. Groups in only one run are left
    out."""
    both = {row.group for row in old.rows} & {row.group for row in new.rows}
    before = {_key(row): row for row in old.rows if row.group in both}
    after = {_key(row): row for row in new.rows if row.group in both}
    absolute = comparable(old, new)
    found = [_change(before.get(key), row, absolute) for key, row in after.items()]
    return (*found, *(_change(row, None, absolute) for key, row in before.items() if key not in after))


def newly_missed(found: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(change for change in found if change.verdict == "newly missed")


def _key(row: Row) -> tuple[str, str, str]:
    return row.group, row.name, row.unit


def _change(old: Row | None, new: Row | None, absolute: bool) -> Change:
    row = new or old
    assert row is not None
    was, now = old.value if old else None, new.value if new else None
    percent = (now - was) / abs(was) * 100 if was and now is not None else None
    return Change(
        group=row.group,
        name=row.name,
        unit=row.unit,
        old=was,
        new=now,
        percent=percent,
        verdict=_verdict(old, new, absolute),
    )


def _verdict(old: Row | None, new: Row | None, absolute: bool) -> Verdict:
    if old is None or new is None:
        return "new" if old is None else "gone"
    if old.met is True and new.met is False:
        return "newly missed"
    if old.met is False and new.met is True:
        return "newly met"
    if old.value is None or new.value is None or not (absolute or new.unit in _STEADY):
        return "not comparable"
    moved = new.value - old.value
    if abs(moved) <= max(_SMALL.get(new.unit, 0), abs(old.value) * _NOISE[new.unit] / 100):
        return ""
    return "better" if (moved > 0) == (new.better == "more") else "worse"


def comparison(old: Report, new: Report, found: tuple[Change, ...]) -> Table:
    shown = Table(title=f"perdure bench, {old.started_at} and {new.started_at}", title_justify="left")
    shown.add_column("")
    for heading in ("then", "now"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    shown.add_column("change", justify="right")
    shown.add_column("")
    group: Group | None = None
    for change in found:
        if change.group != group:
            group = change.group
            shown.add_section()
            shown.add_row(f"[bold]{TITLES[group]}[/]")
        values = ("–" if value is None else number(value) for value in (change.old, change.new))
        percent = "" if change.percent is None else f"{change.percent:+.0f} %"
        style = _SHOWN.get(change.verdict, "dim")
        shown.add_row(f"  {change.name}", *values, change.unit, percent, f"[{style}]{change.verdict}[/]")
    if not comparable(old, new):
        shown.caption = "Not the same kind of run or machine: only ratios and counts are judged."
    return shown
