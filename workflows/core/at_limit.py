"""What a turn does next where a limit, or a lease of a purse, does not bear what it needs. Pure."""

from perdure.workflows.core.actions import Action, DrawLeases, FinishTurn, PauseTurn, Wait
from perdure.workflows.core.calls.superseding import asks_nobody
from perdure.workflows.core.effects import PURSES
from perdure.workflows.core.leases import amounts_of, lacks
from perdure.workflows.core.limit_words import exceeded
from perdure.workflows.core.need import Need
from perdure.workflows.core.pausing import may_ask
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.purses import SCOPES
from perdure.workflows.vocabulary.errors import BUDGET_EXCEEDED, WORKING_TIME
from perdure.workflows.vocabulary.events import TurnEnd
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.questions import Shortfall


def asks(state: SessionState, short: Shortfall) -> bool:
    names = state.turn is not None and state.turn.names_session
    return may_ask(state, short) and not asks_nobody(state) and not names


def at_limit(state: SessionState, short: Shortfall) -> PauseTurn | FinishTurn | Wait:
    if short.scope in SCOPES and state.leases.drawing is not None:
        return Wait(frozenset([PURSES]))
    if asks(state, short):
        return PauseTurn(short)
    error = exceeded(short)
    return FinishTurn(reason_of(error), error)


def leased(state: SessionState, need: Need) -> Action | None:
    """What has to come before anything that takes `need`; None: the leases bear it."""
    if not lacks(state, need):
        return None
    return Wait(frozenset([PURSES])) if state.leases.drawing is not None else DrawLeases(amounts_of(need))


def reason_of(error: ToolError) -> TurnEnd:
    return "budget" if error.type in (BUDGET_EXCEEDED, WORKING_TIME) else "failed"
