"""Plots for the report page: bars as HTML, curves and lines as SVG. Pure; every text is escaped here.

Rule: no plot has a colour, a font or a script of its own. Series are the classes `s0`, `s1`, …; the style sheet, which
knows light and dark mode, does the rest. 0 is Perdure's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 440
_HEIGHT: Final = 280
_LEFT: Final = 50
_RIGHT: Final = 14
_TOP: Final = 26
_BOTTOM: Final = 42
#: Ratio of the greatest to the least value from which a scale is logarithmic.
_WIDE: Final = 20

Scale = Callable[[float], float]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: Points
    #: The number of its colour.
    colour: int
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    value: float
    text: str
    colour: int


def bars(title: str, items: Sequence[Bar]) -> str:
    """Horizontal bars from zero, all on one scale."""
    most = max((item.value for item in items), default=0) or 1
    rows = "".join(
        f'<div class="bar"><span class="label">{escape(item.name)}</span>'
        f'<span class="track"><span class="fill s{item.colour}" style="width:{_percent(item.value, most)}%"></span></span>'
        f'<span class="value">{escape(item.text)}</span></div>'
        for item in items
    )
    return _figure(title, f'<div class="bars">{rows}</div>', ())


def distributions(title: str, series: Sequence[Series], unit: str, of: str) -> str:
    """Percentiles from left to right, their values upwards; logarithmic if they differ widely."""
    values = [value for one in series for _, value in one.points if value > 0]
    if not values:
        return ""
    x = _scale(0, 100, _LEFT, _WIDTH - _RIGHT)
    if max(values) / min(values) < _WIDE:
        ticks = _ticks(0, max(values))
        up, y_name = _scale(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP), unit
    else:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        ticks = [10.0**power for power in range(low, high + 1)]
        up, y_name = _powers(low, high), f"{unit}, each line ten times the one below"
    marks = "".join(_across(up(tick), _short(tick)) for tick in ticks)
    marks += "".join(_down(x(at), f"p{at}") for at in (25, 50, 75, 95))
    return _plot(title, marks, series, x, up, y_name, f"percent of {of}, the fastest first")


def _powers(low: int, high: int) -> Scale:
    upwards = _scale(low, high, _HEIGHT - _BOTTOM, _TOP)
    return lambda value: upwards(math.log10(max(value, 10.0**low)))


def lines(title: str, series: Sequence[Series], x_name: str, y_name: str, *, from_zero: bool = True) -> str:
    """Both axes linear."""
    points = [point for one in series for point in one.points]
    if not points:
        return ""
    top = max(value for _, value in points)
    bottom = 0 if from_zero else min(value for _, value in points)
    ticks = _ticks(bottom, top)
    x_ticks = _ticks(0, max(at for at, _ in points))
    x = _scale(0, x_ticks[-1], _LEFT, _WIDTH - _RIGHT)
    y = _scale(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    marks = "".join(_across(y(tick), _short(tick)) for tick in ticks)
    marks += "".join(_down(x(tick), _short(tick)) for tick in x_ticks)
    return _plot(title, marks, series, x, y, y_name, x_name)


def _plot(title: str, marks: str, series: Sequence[Series], x: Scale, y: Scale, y_name: str, x_name: str) -> str:
    drawn = ""
    # Perdure's last, so that it is drawn on top.
    for one in sorted(series, key=lambda one: -one.colour):
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in one.points)
        drawn += f'<polyline class="line s{one.colour}" points="{path}"/>'
        if one.dots:
            drawn += "".join(
                f'<circle class="dot s{one.colour}" cx="{x(at):.1f}" cy="{y(value):.1f}" r="3.5"/>'
                for at, value in one.points
            )
    names = (
        f'<text class="axis" x="{_LEFT}" y="{_TOP - 13}">{escape(y_name)}</text>'
        f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 5}" text-anchor="end">{escape(x_name)}</text>'
    )
    body = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{marks}{drawn}{names}</svg>'
    return _figure(title, body, series)


def _figure(title: str, body: str, series: Sequence[Series]) -> str:
    keys = "".join(f'<span class="key"><i class="s{one.colour}"></i>{escape(one.name)}</span>' for one in series)
    # A single series is named by the title.
    legend = f'<div class="legend">{keys}</div>' if len(series) > 1 else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{legend}{body}</figure>"


def _across(y: float, text: str) -> str:
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _down(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 17}" text-anchor="middle">{text}</text>'


def _scale(low: float, high: float, at_low: float, at_high: float) -> Scale:
    return lambda value: at_low + (value - low) / (high - low) * (at_high - at_low)


def _ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers that cover `low` to `high` or more."""
    span = (high - low) or abs(high) or 1
    power = 10.0 ** math.floor(math.log10(span / 4))
    every = next(power * step for step in (1, 2, 2.5, 5, 10) if span / (power * step) <= 6)
    first = math.floor(low / every)
    count = max(math.ceil(high / every), first + 1)
    return [every * at for at in range(first, count + 1)]


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:,g}" if value < 1000 else f"{value:,.0f}"


def _percent(value: float, most: float) -> str:
    return f"{max(value, 0) / most * 100:.1f}"
