"""What a purse tells of itself. Pure."""

from datetime import datetime
from typing import Final

from perdure.workflows.core.ledger.accounts import rolled
from perdure.workflows.core.ledger.state import Ledger
from perdure.workflows.protocol.purses import PeriodState, PurseState

#: Turns that were let go on over the caps, at most.
_SHOWN: Final = 20


def purse_state(ledger: Ledger, now: datetime) -> PurseState:
    """As of `now`, for nothing may have happened in the purse since midnight."""
    ledger = rolled(ledger, now)
    return PurseState(
        name=ledger.name,
        caps=ledger.caps,
        day=PeriodState(period=ledger.day, spent=ledger.spent.day),
        month=PeriodState(period=ledger.month, spent=ledger.spent.month),
        total=PeriodState(period="", spent=ledger.spent.total),
        leased=ledger.leased,
        holders=sum(1 for holder in ledger.holders.values() if holder.leased),
        waiting=len(ledger.waiting),
        allowed=ledger.allowed[-_SHOWN:],
    )


def details(ledger: Ledger) -> str:
    """For Temporal's Web UI, in Markdown."""
    lines = [f"**{ledger.name.scope} {ledger.name.id}** of {ledger.name.tenant}"]
    for title, amounts in (
        (ledger.day, ledger.spent.day),
        (ledger.month, ledger.spent.month),
        ("in all", ledger.spent.total),
        ("leased", ledger.leased),
    ):
        lines.append(f"{title}: ${amounts.cost_usd:.4f}, {amounts.tokens:,} tokens, {amounts.tool_calls:,} tool calls")
    caps = ledger.caps.model_dump(mode="json", exclude_none=True)
    lines.append(f"caps: `{caps}`" if caps else "no caps of its own")
    lines.append(f"{len(ledger.holders)} sessions hold leases, {len(ledger.waiting)} wait")
    return "\n\n".join(lines)
