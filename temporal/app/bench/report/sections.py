"""The plots of each group, made from its rows. Pure.

Rule: a row without the details that a plot needs is left out of it; a plot without rows is left out of the page.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from pydantic import JsonValue

from perdure.temporal.app.bench.report.plots import Bar, Points, Series, bars, distributions, lines
from perdure.temporal.app.bench.report.report import Group, Row, number

#: The colour of each kind of name; 0 is Perdure's.
_COLOURS = (("workflow_streams", 3), ("SDK", 2), ("directly", 1), ("calls the model", 1), ("bare", 4), ("Temporal", 4))


def plots_of(group: Group, rows: Sequence[Row]) -> list[str]:
    """The figures of a group's section, as HTML."""
    match group:
        case "tokens":
            plots = [_curves(f"Delay of a token, {crowd}", rows, crowd, "tokens") for crowd in _crowds(rows)]
        case "first":
            plots = [_curves("From a message to the provider's request", rows, "", "messages")]
        case "stop":
            plots = [_curves("From a stop to the provider's stream closed", rows, "", "stops")]
        case "history":
            plots = _history(rows)
        case "kill":
            plots = [_each("Every restart, seconds", rows, "s")]
        case "resume":
            plots = [_curves(f"To the first event, {way}", rows, way, "reconnects") for way in _crowds(rows)]
        case "idle":
            plots = _idle(rows)
        case "turns":
            plots = _turns(rows)
        case "memory":
            series = [_line(row, "points_mb", dots=True) for row in rows if "points_mb" in row.details]
            plots = [lines("Memory of the worker's process", series, "cached sessions", "MB", from_zero=False)]
        case "replay":
            shown = [row for row in rows if row.unit == "s"]
            plots = [
                _bars("Events replayed a second", shown, "events_a_second"),
                _each("Every round, seconds", rows, "s"),
            ]
        case "tools":
            plots = [_curves("A call, to what follows it", rows, "", "calls"), _stages(rows)]
        case "growth":
            held = [row for row in rows if "ms_by_turn" in row.details]
            series = [Series(row.name.partition(",")[0], _points(row.details["ms_by_turn"]), 0) for row in held[:1]]
            plots = [lines("Milliseconds of each turn", series, "turn", "ms")] if series else []
        case "apart":
            tokens = [row for row in rows if row.name.startswith("a token")]
            plots = [_curves("Delay of a token", tokens, "", "tokens")]
        case "fleet":
            plots = [_curves("Delay of a token", [row for row in rows if "curve" in row.details], "", "tokens")]
        case "interrupted" | "burst" | "purses" | "neighbours":
            plots = []
        case _:
            assert_never(group)
    return [plot for plot in plots if plot]


def _history(rows: Sequence[Row]) -> list[str]:
    held = next((row for row in rows if "bytes_by_turn" in row.details), None)
    restarts = [row for row in rows if row.name.startswith("restart")]
    shown = [
        Bar(row.name.partition(", ")[2], row.value, f"{number(row.value)} s", 0)
        for row in restarts
        if row.value is not None
    ]
    plots = []
    for what in ("bytes", "events"):
        if held is not None:
            series = [Series(what, _points(held.details[f"{what}_by_turn"]), 0)]
            plots.append(lines(f"History {what} of each turn", series, "turn", what))
    if shown:
        plots.append(bars(f"{restarts[0].name.partition(',')[0].capitalize()}", shown))
    return plots


def _idle(rows: Sequence[Row]) -> list[str]:
    busy = [row for row in rows if row.unit == "% of a core"]
    shown = [
        Bar(row.name, row.value, f"{number(row.value)} %", _colour(row.name)) for row in busy if row.value is not None
    ]
    held = [row for row in rows if "points_mb" in row.details]
    series = [Series("gateway and worker", _points(row.details["points_mb"]), 0, dots=True) for row in held]
    return [
        bars("Processor at rest, percent of one core", shown) if shown else "",
        lines("Memory as viewers come", series, "viewers", "MB", from_zero=False),
    ]


def _turns(rows: Sequence[Row]) -> list[str]:
    rates = [row for row in rows if row.unit == "turns/s" and row.value is not None]
    plots = []
    for crowd in dict.fromkeys(row.details.get("crowd") for row in rates):
        mine = [row for row in rates if row.details.get("crowd") == crowd]
        shown = [Bar(_who(row), row.value or 0, f"{number(row.value or 0)} /s", _colour(_who(row))) for row in mine]
        plots.append(bars(f"Turns a second, {crowd} at once", shown))
    first = rates[0].details.get("crowd") if rates else None
    mine = [row for row in rates if row.details.get("crowd") == first]
    for who in ("worker", "server"):
        shown = [
            Bar(_who(row), spent, f"{number(spent)} ms", _colour(_who(row)))
            for row in mine
            if isinstance(spent := row.details.get(f"{who}_cpu_ms"), float)
        ]
        if shown:
            plots.append(bars(f"Processor time a turn, {who}, {first} at once", shown))
    return plots


def _crowds(rows: Sequence[Row]) -> list[str]:
    """Endings such as `1 at 50/s` in the names of rows, which say under which load or in which way they were measured."""
    names = [_who(row) for row in rows if "curve" in row.details]
    return list(dict.fromkeys(name.rpartition(", ")[2] for name in names))


def _curves(title: str, rows: Sequence[Row], ending: str, of: str) -> str:
    series = [
        Series(name, _points(row.details["curve"]), _colour(name))
        for row in rows
        if "curve" in row.details and (name := _who(row)).endswith(ending)
    ]
    named = [Series(one.name.removesuffix(f", {ending}"), one.points, one.colour) for one in series]
    # If two series would get the same colour, the later ones take unused colours.
    free = [colour for colour in range(5) if colour not in {one.colour for one in named}]
    taken: set[int] = set()
    drawn = []
    for one in named:
        colour = one.colour if one.colour not in taken or not free else free.pop(0)
        taken.add(colour)
        drawn.append(Series(one.name, one.points, colour))
    return distributions(title, drawn, "ms", of) if drawn else ""


def _each(title: str, rows: Sequence[Row], unit: str) -> str:
    shown = []
    for row in rows:
        each = row.details.get("each")
        if row.unit == unit and isinstance(each, list):
            name = row.name.removesuffix(", the slowest")
            values = [value for value in each if isinstance(value, float | int)]
            shown += [
                Bar(f"{name}, {n}", value, f"{number(value)} {unit}", _colour(name))
                for n, value in enumerate(values, 1)
            ]
    return bars(title, shown) if shown else ""


def _bars(title: str, rows: Sequence[Row], detail: str) -> str:
    shown = [
        Bar(row.name, value, number(value), _colour(row.name))
        for row in rows
        if isinstance(value := row.details.get(detail), float | int)
    ]
    return bars(title, shown) if shown else ""


def _stages(rows: Sequence[Row]) -> str:
    shown = [
        Bar(f"{stage}, {_who(row)}", took, f"{number(took)} ms", _colour(_who(row)))
        for row in rows
        for stage, took in _pairs(row.details.get("stages_ms"))
    ]
    return bars("Where a call's time usually goes", shown) if shown else ""


def _pairs(value: JsonValue) -> list[tuple[str, float]]:
    pairs = value.items() if isinstance(value, dict) else ()
    return [(name, value) for name, value in pairs if isinstance(value, float | int)]


def _line(row: Row, detail: str, *, dots: bool) -> Series:
    return Series(_who(row), _points(row.details[detail]), _colour(_who(row)), dots=dots)


def _points(pairs: Any) -> Points:
    return [(float(pair[0]), float(pair[1])) for pair in pairs]


def _who(row: Row) -> str:
    return str(row.details.get("who", row.name))


def _colour(name: str) -> int:
    return next((colour for part, colour in _COLOURS if part in name), 0)
