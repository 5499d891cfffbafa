"""Tools whose arguments change when they are validated; each returns the arguments it received."""

from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from temporalio import activity


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


class Payee(BaseModel):
    name: str
    foreign: bool = False


def _doubled(value: Any) -> Any:
    return value * 2


@activity.defn
async def wipe(dry_run: bool) -> str:
    """Wipes everything, or only says so."""
    return f"dry_run={dry_run!r}"


@activity.defn
async def remit(
    amount: float, urgent: bool = False, note: str | None = None, payee: Payee | None = None, speed: Speed = Speed.SLOW
) -> str:
    """Pays."""
    return f"amount={amount!r} urgent={urgent!r} note={note!r} foreign={payee.foreign if payee else None} {speed.value}"


@activity.defn
async def owe(amount: Annotated[Decimal, Field(ge=0)]) -> str:
    """Owes."""
    return f"amount={amount!r}"


@activity.defn
async def shout(
    word: Annotated[str, BeforeValidator(lambda word: word.lower() if isinstance(word, str) else word)],
) -> str:
    """Says it in small letters."""
    return f"word={word!r}"


@activity.defn
async def double(amount: Annotated[int, BeforeValidator(_doubled)]) -> str:
    """Takes twice as much, each time that it looks."""
    return f"amount={amount!r}"


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("is odd")
    return number


@activity.defn
async def halve(number: Annotated[int, AfterValidator(_even)], times: int = 1) -> float:
    """Halves an even number; no schema expresses that rule."""
    return float(number / 2**times)
