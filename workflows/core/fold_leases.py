"""What changes of leases make of a session's state."""

from collections.abc import Iterable
from typing import assert_never

from perdure.workflows.core.lease_changes import (
    LeaseAllowed,
    LeaseAnswered,
    LeaseAsked,
    LeaseChange,
    LeaseEnded,
    LeaseReserved,
    PurseHasMore,
    PursesAnnounced,
)
from perdure.workflows.core.state.leases import Leases
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.amounts import Amounts, nano_usd
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.parts import Usage


def changed(state: SessionState, change: LeaseChange) -> SessionState:
    return replace(state, leases=_changed(state.leases, change))


def charged(state: SessionState, step_id: str, usage: Usage, cost_usd: float | None) -> SessionState:
    """A model call is over and cost so much. A price that is unknown counts for nothing: where dollars are capped, no model
    of an unknown price is asked."""
    amounts = Amounts(nano_usd=nano_usd(cost_usd or 0), tokens=usage.input_tokens + usage.output_tokens)
    return replace(state, leases=state.leases.charged(amounts, step_id))


def beside(state: SessionState, record: StepRecord) -> SessionState:
    """A model call begins beside the turn's own, or between two turns."""
    if not state.leases.held:
        return state
    amounts = Amounts(
        nano_usd=nano_usd(record.reserved_usd or 0), tokens=state.books.tokens_aside.get(record.step_id, 0)
    )
    return replace(state, leases=state.leases.reserved(record.step_id, amounts, Amounts()))


def called(state: SessionState, tool_calls: int) -> SessionState:
    """Tools begin to run."""
    return replace(state, leases=state.leases.charged(Amounts(tool_calls=tool_calls)))


def given_up(state: SessionState, step_id: str, tried: Iterable[Spent]) -> SessionState:
    """A model of an open step gave no answer; so much have those that were tried cost."""
    spent = sum(tried, Spent())
    tokens = spent.usage.input_tokens + spent.usage.output_tokens
    amounts = Amounts(nano_usd=nano_usd(spent.cost_usd or 0), tokens=tokens)
    return replace(state, leases=state.leases.given_up(step_id, amounts))


def rested(leases: Leases) -> Leases:
    """A turn has ended: the next one asks again for what was refused, and what was allowed is over."""
    if not any(held.refused is not None or held.allowance is not None for held in leases.held.values()):
        return leases
    held = {scope: replace(one, refused=None, retry=False, allowance=None) for scope, one in leases.held.items()}
    return replace(leases, held=held)


def _changed(leases: Leases, change: LeaseChange) -> Leases:
    match change:
        case LeaseAsked():
            for scope, draw in change.draws.items():
                held = replace(leases.of(scope), number=draw.number, needed=draw.needs, retry=False, waits=False)
                leases = leases.with_held(scope, held)
            closes = any(draw.closes for draw in change.draws.values())
            told = {scope: draw.spent for scope, draw in change.draws.items()}
            return replace(leases, drawing=told, returned=leases.returned or closes)
        case LeaseAnswered():
            return _answered(leases, change)
        case LeaseEnded():
            held = leases.of(change.scope)
            # The purse looks at the session at the end that it gave the lease, so that end counts.
            return leases.with_held(change.scope, replace(held, until=None, ended=held.until or held.ended))
        case LeaseReserved():
            return leases.reserved(change.step_id, change.amounts, change.before)
        case PurseHasMore():
            held = leases.of(change.scope)
            held = replace(held, raised_to=change.value, raised_by=change.by)
            return leases.with_held(change.scope, replace(held, retry=held.refused is not None))
        case PursesAnnounced():
            return leases.announcing(change.scopes)
        case LeaseAllowed():
            held = replace(leases.of(change.scope), allowance=change.allowance)
            held = replace(held, retry=held.refused is not None)
            return leases.with_held(change.scope, held)
        case _:
            assert_never(change)


def _answered(leases: Leases, change: LeaseAnswered) -> Leases:
    told = leases.drawing or {}
    for scope, drawn in (change.answer.drawn if change.answer is not None else {}).items():
        leases = leases.with_held(scope, leases.of(scope).answered(drawn, told.get(scope, Amounts())))
        if not drawn.capped:
            left = tuple(one for one in leases.announced if one != scope)
            leases = replace(leases, announced=left)
    return replace(leases, drawing=None)
