"""How the caps of a purse are set. Pure."""

from datetime import datetime

from perdure.workflows.core.ledger.accounts import rolled
from perdure.workflows.core.ledger.state import KEPT, Ledger
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.purse_caps import changed
from perdure.workflows.protocol.purses import PurseChanged, SetCaps


def set_caps(ledger: Ledger, command: SetCaps, now: datetime) -> Ledger:
    """A repeated command does nothing."""
    ledger = rolled(ledger, now)
    if command.id in ledger.commands:
        return ledger
    caps = changed(ledger.caps, command.caps)
    is_new = caps.caps_spending and not ledger.caps.caps_spending and command.announces
    return replace(
        ledger,
        caps=caps,
        untold=command.id if is_new else ledger.untold,
        caps_by=command.by,
        commands=(*ledger.commands, command.id)[-KEPT:],
        # They are told at once, whatever they were told before.
        waiting={session: replace(one, told_at=None) for session, one in ledger.waiting.items()},
    )


def announcement(ledger: Ledger) -> PurseChanged | None:
    """What sessions at work are to be told; None: they know. All others hear it with what lets them spend next."""
    if not ledger.untold:
        return None
    scope = ledger.name.scope
    return PurseChanged(id=f"{scope}.capped.{ledger.untold}", scope=scope, capped=True)


def announced(ledger: Ledger, told: PurseChanged | None) -> Ledger:
    """Sessions at work have been told this."""
    return replace(ledger, untold="") if told is not None and told == announcement(ledger) else ledger
