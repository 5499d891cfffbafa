"""How the caps of a purse are set. Pure."""

from datetime import datetime

from perdure.workflows.core.ledger.accounts import rolled
from perdure.workflows.core.ledger.state import KEPT, Ledger
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.purse_caps import changed
from perdure.workflows.protocol.purses import SetCaps


def set_caps(ledger: Ledger, command: SetCaps, now: datetime) -> Ledger:
    """A repeated command does nothing."""
    ledger = rolled(ledger, now)
    if command.id in ledger.commands:
        return ledger
    return replace(
        ledger,
        caps=changed(ledger.caps, command.caps),
        caps_by=command.by,
        commands=(*ledger.commands, command.id)[-KEPT:],
        # They are told at once, whatever they were told before.
        waiting={session: replace(one, told_at=None) for session, one in ledger.waiting.items()},
    )
