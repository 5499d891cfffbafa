"""Statistics of the measurements. Pure."""

import math
from collections.abc import Sequence
from statistics import fmean

from pydantic import JsonValue

#: Percentiles at which a distribution is drawn: densest at its slow end, where it matters.
_DRAWN = (0, 1, 2, *range(5, 90, 5), 90, 92, 94, 95, 96, 97, 98, 99, 99.5, 100)


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


def curve(values: Sequence[float]) -> list[JsonValue]:
    """Pairs of a percentage and its percentile: all that a plot of the distribution needs."""
    ordered = sorted(values)
    return [[percent, round(percentile(ordered, percent), 3)] for percent in _DRAWN] if ordered else []


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the least-squares line. `points` must contain two different x."""
    x, y = fmean(point[0] for point in points), fmean(point[1] for point in points)
    above = sum((point[0] - x) * (point[1] - y) for point in points)
    return above / sum((point[0] - x) ** 2 for point in points)


def thinned(values: Sequence[float], most: int = 250) -> list[JsonValue]:
    """At most about `most` of `values`, evenly spaced, each as a pair with its number from 1 on."""
    every = max(math.ceil(len(values) / most), 1)
    return [[number, value] for number, value in enumerate(values, 1) if (number - 1) % every == 0]
