"""What it costs to have worker and gateway apart: a token's delay over Redis and within one process, and a stop.

Both read the same provider, one after the other in the same run, with the same clock.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from perdure.temporal.app.bench.measures.tokens import delays, through_perdure
from perdure.temporal.app.bench.measures.turns import stops
from perdure.temporal.app.bench.report.figures import curve, percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.apart import Apart, has_redis
from perdure.temporal.app.bench.rig.rig import Provider, Rig

GROUP: Final[Group] = "apart"
_RATE: Final = 50


def steps_of(quick: bool) -> int:
    return 2 * (1 + _stops(quick))


def _stops(quick: bool) -> int:
    return 5 if quick else 20


async def measure(folder: Path, provider: Provider, quick: bool, step: Callable[[], None]) -> list[Row]:
    if not has_redis():
        details = {"why": "redis-server is not installed"}
        return [Row(group=GROUP, name="added by Redis, p50", value=None, unit="ms", details=details)]
    count = 100 if quick else 1000
    found: dict[str, list[float]] = {}
    closed: dict[str, list[float]] = {}
    for name, kind in (("within one process", Rig), ("over Redis", Apart)):
        place = folder / name.replace(" ", "-")
        place.mkdir()
        async with kind(place, provider) as rig:
            await provider.answer(text="x " * count, stamped=True, gap=1 / _RATE)
            # The first answer finds connections and caches made by nobody.
            await through_perdure(rig, count // 10, 0)
            found[name] = delays(await through_perdure(rig, count, 0))
            step()
            closed[name] = await stops(rig, _stops(quick), step)
    rows = [row for name, all_delays in found.items() for row in _rows(f"a token, {name}", all_delays)]
    within, over = found.values()
    for percent, target in ((50, Target(bound="at most", value=5)), (95, None)):
        added = round(percentile(over, percent) - percentile(within, percent), 3)
        rows.append(Row(group=GROUP, name=f"added by Redis, p{percent}", value=added, unit="ms", target=target))
    for (name, each), bound in zip(closed.items(), (None, Target(bound="at most", value=100)), strict=True):
        rows += _rows(f"POST stop to closed, {name}", each, bound)
    return rows


def _rows(name: str, values: list[float], bound: Target | None = None) -> list[Row]:
    details = spread(values)
    return [
        Row(
            group=GROUP,
            name=f"{name}, p{percent}",
            value=round(percentile(values, percent), 3),
            unit="ms",
            target=bound if percent == 95 else None,
            details={**details, "who": name, "curve": curve(values)} if percent == 50 else details,
        )
        for percent in (50, 95)
    ]
