"""The caps of a purse one by one: by period and unit, as limits are named in events. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from perdure.workflows.definition.limits import Caps, PurseLimits

Period = Literal["day", "month", "total"]
PERIODS: Final[tuple[Period, ...]] = ("day", "month", "total")
Unit = Literal["cost_usd", "tokens", "tool_calls"]
UNITS: Final[tuple[Unit, ...]] = ("cost_usd", "tokens", "tool_calls")

#: What is to change: a period that is left out stays as it is, and so does a unit of it; None lifts.
CapChanges = Mapping[Period, Mapping[Unit, float | int | None] | None]


def each_cap(purse: PurseLimits) -> Iterator[tuple[Period, Unit, float]]:
    """Every cap that is set."""
    for period in PERIODS:
        caps = caps_of(purse, period)
        for unit in UNITS:
            cap: float | None = getattr(caps, unit)
            if cap is not None:
                yield period, unit, cap


def caps_of(purse: PurseLimits, period: Period) -> Caps:
    found: Caps | None = getattr(purse, period)
    return found or Caps()


def changed(purse: PurseLimits, changes: CapChanges) -> PurseLimits:
    """`purse` with these changes."""
    periods: dict[str, Caps | None] = {period: getattr(purse, period) for period in PERIODS}
    for period, units in changes.items():
        caps = None if units is None else caps_of(purse, period).model_copy(update=dict(units.items()))
        periods[period] = caps if caps is not None and caps.caps_spending else None
    return PurseLimits(**periods)


def limit_name(period: Period, unit: Unit) -> str:
    """The name of a limit, as events have it: `day.cost_usd`."""
    return f"{period}.{unit}"
