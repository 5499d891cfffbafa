"""Amounts that purses and sessions reckon with: what was spent, granted, or is needed."""

import operator
from typing import Final

from pydantic import Field

from perdure.workflows.definition.purse_caps import Unit
from perdure.workflows.vocabulary.parts import Frozen

_NANO: Final = 1_000_000_000


class Amounts(Frozen):
    """Dollars, tokens and tool calls. Dollars are counted in whole billionths, so that sums are exact."""

    nano_usd: int = Field(default=0, ge=0, exclude_if=operator.not_)
    tokens: int = Field(default=0, ge=0, exclude_if=operator.not_)
    tool_calls: int = Field(default=0, ge=0, exclude_if=operator.not_)

    @property
    def cost_usd(self) -> float:
        return self.nano_usd / _NANO

    def of(self, unit: Unit) -> int:
        """Dollars in billionths."""
        found: int = getattr(self, FIELDS[unit])
        return found

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            nano_usd=self.nano_usd + other.nano_usd,
            tokens=self.tokens + other.tokens,
            tool_calls=self.tool_calls + other.tool_calls,
        )

    def __sub__(self, other: "Amounts") -> "Amounts":
        """What `other` leaves of it, never below nothing."""
        return Amounts(
            nano_usd=max(self.nano_usd - other.nano_usd, 0),
            tokens=max(self.tokens - other.tokens, 0),
            tool_calls=max(self.tool_calls - other.tool_calls, 0),
        )

    def __or__(self, other: "Amounts") -> "Amounts":
        """The greater of both, in each unit."""
        return Amounts(
            nano_usd=max(self.nano_usd, other.nano_usd),
            tokens=max(self.tokens, other.tokens),
            tool_calls=max(self.tool_calls, other.tool_calls),
        )

    def __and__(self, other: "Amounts") -> "Amounts":
        """The lesser of both, in each unit."""
        return Amounts(
            nano_usd=min(self.nano_usd, other.nano_usd),
            tokens=min(self.tokens, other.tokens),
            tool_calls=min(self.tool_calls, other.tool_calls),
        )

    def __mul__(self, times: int) -> "Amounts":
        return Amounts(nano_usd=self.nano_usd * times, tokens=self.tokens * times, tool_calls=self.tool_calls * times)

    def covers(self, other: "Amounts") -> bool:
        return self.nano_usd >= other.nano_usd and self.tokens >= other.tokens and self.tool_calls >= other.tool_calls

    def __bool__(self) -> bool:
        return bool(self.nano_usd or self.tokens or self.tool_calls)


FIELDS: Final[dict[Unit, str]] = {"cost_usd": "nano_usd", "tokens": "tokens", "tool_calls": "tool_calls"}


def nano_usd(cost_usd: float) -> int:
    """Dollars in billionths, rounded up: what is charged is never below what was spent."""
    whole = int(cost_usd * _NANO)
    return whole if whole / _NANO >= cost_usd else whole + 1
