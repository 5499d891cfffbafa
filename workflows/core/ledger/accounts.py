"""What a purse's periods were charged, and what its caps leave free. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from perdure.workflows.core.ledger.state import KEPT_GONE, Gone, Holder, Ledger, Spendings, with_holder
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.limits import PurseLimits
from perdure.workflows.definition.purse_caps import Period, Unit, each_cap
from perdure.workflows.protocol.amounts import Amounts, nano_usd

#: How long it is known of a session that it returned everything: longer than any repeat of its last request takes.
_REMEMBERED: Final = timedelta(minutes=10)


def rolled(ledger: Ledger, now: datetime) -> Ledger:
    """As of `now`: a new day, or month, begins with nothing spent. Time that seems to run backwards changes nothing."""
    at = now.astimezone(UTC)
    day, month = f"{at:%Y-%m-%d}", f"{at:%Y-%m}"
    if day <= ledger.day:
        return ledger
    spent = Spendings(month=ledger.spent.month if month == ledger.month else Amounts(), total=ledger.spent.total)
    return replace(ledger, day=day, month=month, spent=spent)


def next_day(now: datetime) -> datetime:
    """When the next day of UTC begins."""
    at = now.astimezone(UTC)
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def charged(ledger: Ledger, amounts: Amounts) -> Ledger:
    spent = ledger.spent
    return replace(
        ledger,
        spent=Spendings(day=spent.day + amounts, month=spent.month + amounts, total=spent.total + amounts),
    )


def refunded(ledger: Ledger, amounts: Amounts, charged_at: datetime) -> Ledger:
    """Takes back what was charged at a time; a period that is over stays as it was."""
    spent, at = ledger.spent, charged_at.astimezone(UTC)
    return replace(
        ledger,
        spent=Spendings(
            day=spent.day - amounts if f"{at:%Y-%m-%d}" == ledger.day else spent.day,
            month=spent.month - amounts if f"{at:%Y-%m}" == ledger.month else spent.month,
            total=spent.total - amounts,
        ),
    )


def told(ledger: Ledger, session: str, spent: Amounts) -> Ledger:
    """A holder says what it has spent in all. What was charged for it unknown counts towards it."""
    holder = ledger.holders[session]
    news = spent - holder.spent
    known = news & holder.off
    ledger = charged(ledger, news - known)
    total = holder.spent | spent
    return with_holder(
        ledger, session, replace(holder, spent=total, granted=holder.granted | total, off=holder.off - known)
    )


def cleared(ledger: Ledger, session: str) -> Ledger:
    """Everything that a holder has spent is known: what was charged for it beyond that comes back."""
    holder = ledger.holders[session]
    if not holder.off or holder.off_at is None:
        return ledger
    ledger = refunded(ledger, holder.off, holder.off_at)
    return with_holder(ledger, session, replace(holder, off=Amounts(), off_at=None))


def trimmed(ledger: Ledger, session: str, still_open: Amounts) -> Ledger:
    """A holder spends no more than this of its lease; the rest comes back."""
    holder = ledger.holders[session]
    granted = holder.granted & (holder.spent + still_open)
    return with_holder(ledger, session, replace(holder, granted=granted, open=still_open))


def dismissed(ledger: Ledger, session: str, now: datetime) -> Ledger:
    """Nothing more is expected of a holder. What it may have spent without telling is charged."""
    holder = ledger.holders[session]
    off = holder.off + holder.leased
    gone = Gone(since=holder.since, number=holder.number, spent=holder.spent, off=off, at=now)
    ledger = charged(with_holder(ledger, session, None), holder.leased)
    kept = {
        known: one for known, one in ledger.gone.items() if known != session and (one.off or now - one.at < _REMEMBERED)
    }
    while len(kept) >= KEPT_GONE:
        del kept[next(iter(kept))]
    return replace(ledger, gone={**kept, session: gone})


def revived(gone: Gone, holder: Holder) -> Holder:
    """`holder`, of a session that was given up and is back."""
    return replace(holder, spent=gone.spent, granted=gone.spent, off=gone.off, off_at=gone.at)


def free(ledger: Ledger, unit: Unit, told_caps: tuple[PurseLimits, ...]) -> Iterator[tuple[int, Period, float]]:
    """What each cap of a unit leaves, its period and the cap. It may be less than nothing, for a cap may be lowered."""
    for caps in (ledger.caps, *told_caps):
        for period, capped, cap in each_cap(caps):
            if capped == unit:
                taken = ledger.spent.of(period).of(unit) + ledger.leased.of(unit)
                yield in_units(unit, cap) - taken, period, cap


def in_units(unit: Unit, cap: float) -> int:
    """A cap as amounts are counted; dollars rounded down, for a cap is never exceeded."""
    if unit != "cost_usd":
        return int(cap)
    whole = nano_usd(cap)
    return whole if whole / 1_000_000_000 <= cap else whole - 1


def out_of_units(unit: Unit, amount: int) -> float:
    return amount / 1_000_000_000 if unit == "cost_usd" else amount
