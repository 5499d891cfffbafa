"""Caps on what a user or a tenant may spend in a day, in a month and in all. Pure.

A definition names them under `limits`, and `PUT /v1/budgets/…` sets them for one user or tenant. Where both do, the lower
one holds.
"""

import operator
from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen, absent

Period = Literal["day", "month", "total"]
PERIODS: Final[tuple[Period, ...]] = ("day", "month", "total")
Unit = Literal["cost_usd", "tokens", "tool_calls"]
UNITS: Final[tuple[Unit, ...]] = ("cost_usd", "tokens", "tool_calls")


class PeriodCaps(Frozen):
    """What may be spent in one period. None: there is no cap."""

    cost_usd: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000_000,
        strict=True,
        allow_inf_nan=False,
        exclude_if=absent,
        description="Dollars that model calls may cost. Without it, there is no cap.",
    )
    tokens: int | None = Field(
        default=None,
        ge=0,
        le=10**15,
        strict=True,
        exclude_if=absent,
        description="Tokens that model calls may use, input and output. Without it, there is no cap.",
    )
    tool_calls: int | None = Field(
        default=None,
        ge=0,
        le=10**15,
        strict=True,
        exclude_if=absent,
        description="Tool calls that may run. Without it, there is no cap.",
    )

    def __bool__(self) -> bool:
        """Whether anything is capped."""
        return any(self.cap(unit) is not None for unit in UNITS)

    def cap(self, unit: Unit) -> float | None:
        found: float | None = getattr(self, unit)
        return found


class PurseCaps(Frozen):
    """What a user, or a tenant, may spend. Days and months are those of UTC."""

    day: PeriodCaps = Field(default=PeriodCaps(), exclude_if=operator.not_, description="In one day of UTC.")
    month: PeriodCaps = Field(default=PeriodCaps(), exclude_if=operator.not_, description="In one month of UTC.")
    total: PeriodCaps = Field(default=PeriodCaps(), exclude_if=operator.not_, description="In all.")

    def of(self, period: Period) -> PeriodCaps:
        found: PeriodCaps = getattr(self, period)
        return found

    def each(self) -> Iterator[tuple[Period, Unit, float]]:
        """Every cap that is set."""
        for period in PERIODS:
            for unit in UNITS:
                cap = self.of(period).cap(unit)
                if cap is not None:
                    yield period, unit, cap

    def __bool__(self) -> bool:
        """Whether anything is capped."""
        return any(True for _ in self.each())


def limit_name(period: Period, unit: Unit) -> str:
    """The name of a limit, as events have it: `day.cost_usd`."""
    return f"{period}.{unit}"
