"""What the purses of a session's user and tenant say to its next step, and how the session asks them. Pure.

Rule 1: nothing begins that the leases do not bear at worst. A step that they do not bear waits until a purse has granted
more, or has refused.
Rule 2: a session whose user and tenant have no purse with caps, and whose definition caps neither, asks nobody.
Rule 3: what a session spends counts from the moment at which it knows of the purse.
"""

from datetime import datetime

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import AskPurses
from perdure.workflows.core.lease_changes import LeaseAsked, LeaseEnded, LeaseReserved, PursesAnnounced
from perdure.workflows.core.need import Need
from perdure.workflows.core.purses_asked import asked_purses, purse_user, purses_below, told_caps
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.purse_caps import Unit, each_cap
from perdure.workflows.protocol.amounts import Amounts, nano_usd
from perdure.workflows.protocol.purses import FAULT, MARGIN, Draw, DrawLeases, HolderReport, Refusal, Scope
from perdure.workflows.vocabulary.questions import Shortfall

#: Sessions of older behavior told a purse that had refused nothing until they needed something again.
LEAVES_PURSES = 2
#: A model call may take as much as so many attempts at their worst before it has to ask again.
ATTEMPTS = 3


def amounts_of(need: Need) -> Amounts:
    return Amounts(nano_usd=nano_usd(need.cost_usd or 0), tokens=need.tokens, tool_calls=need.tool_calls)


def refusal(state: SessionState, need: Need) -> Shortfall | None:
    """The purse that has refused as much as `need`; None: none has, though a lease may have to be drawn first."""
    wanted = amounts_of(need)
    for scope in asked_purses(state):
        refused = state.leases.of(scope).refused
        if refused is None or state.leases.free(scope).covers(wanted):
            continue
        if refused.limit == FAULT:
            return Shortfall(scope=scope, limit=FAULT, words=refused.words)
        unit = _unit(refused)
        if wanted.of(unit) > refused.left.of(unit):
            return _shortfall(scope, refused, unit, wanted)
    return None


def lacks(state: SessionState, need: Need) -> bool:
    """Whether a lease has to be drawn before anything that takes `need` begins."""
    wanted = amounts_of(need)
    return any(
        state.leases.of(scope).until is None or not state.leases.free(scope).covers(wanted)
        for scope in asked_purses(state)
    )


def hold(draft: Draft, step_id: str, need: Need) -> None:
    """Holds what a model call may take, all its attempts together: more than one of them at its worst, as far as the leases
    go. What its step has cost already stays held until the step ends."""
    leases = draft.state.leases
    before = leases.open.get(step_id, Amounts())
    most = amounts_of(need) * ATTEMPTS
    for scope in asked_purses(draft.state):
        most &= leases.free(scope)
    draft.add(LeaseReserved(step_id=step_id, amounts=before + (most | amounts_of(need)), before=before))


def held_for(state: SessionState, step_id: str) -> Amounts | None:
    """What the step's model may take; None: no purse is asked."""
    leases = state.leases
    if step_id not in leases.open or not asked_purses(state):
        return None
    return leases.open[step_id] - leases.spent_before.get(step_id, Amounts())


def calls_leased(state: SessionState) -> list[int]:
    """Tool calls that each lease still bears."""
    return [state.leases.free(scope).tool_calls for scope in asked_purses(state)]


def caps_dollars(state: SessionState) -> bool:
    """Whether a purse caps dollars, so that no model may be asked whose price is unknown."""
    return any(
        state.leases.of(scope).caps_dollars or any(unit == "cost_usd" for caps in told for _, unit, _ in each_cap(caps))
        for scope, told in purses_below(state).items()
    )


def to_ask_again(state: SessionState) -> Amounts | None:
    """What was refused, where a purse says that it may be granted now; None: nothing is to be asked again."""
    held = [one for one in state.leases.held.values() if one.retry]
    if not held or state.leases.drawing is not None:
        return None
    needed = Amounts()
    for one in held:
        needed |= one.needed
    return needed


def waits_in_vain(state: SessionState) -> bool:
    """Whether purses still count on a session that rests to wait for them."""
    if state.behavior < LEAVES_PURSES or state.rehearsal or state.leases.drawing is not None:
        return False
    return any(held.waits for held in state.leases.held.values())


def has_leases(state: SessionState) -> bool:
    """Whether purses expect to hear of a session that closes."""
    leases = state.leases
    return not leases.returned and any(held.number for held in leases.held.values())


def ask(draft: Draft, needs: Amounts) -> tuple[AskPurses, ...]:
    """Asks all purses in one round trip, and tells them what was spent; those that refused, that nothing is needed of
    them any more, where `needs` is nothing."""
    state = draft.state
    scopes = asked_purses(state) if needs else tuple(one for one, held in state.leases.held.items() if held.waits)
    return _asked(draft, {scope: _draw(draft.state, scope, needs, draft.now) for scope in scopes})


def give_back(draft: Draft) -> tuple[AskPurses, ...]:
    """Returns everything, for the session closes."""
    held = [scope for scope, one in draft.state.leases.held.items() if one.number]
    draws = {scope: _draw(draft.state, scope, Amounts(), draft.now) for scope in held}
    return _asked(draft, {scope: draw.model_copy(update={"closes": True}) for scope, draw in draws.items()})


def end_leases(draft: Draft) -> bool:
    """Ends leases that are about to end, so that no call outlives the one that it began under. Whether there were any."""
    ending = [
        scope
        for scope, held in draft.state.leases.held.items()
        if held.until is not None and held.until - MARGIN <= draft.now
    ]
    for scope in ending:
        draft.add(LeaseEnded(scope=scope))
    return bool(ending)


def announce(draft: Draft, scopes: tuple[Scope, ...]) -> None:
    """These purses have caps of their own; the session asks them before its next step."""
    if any(scope not in draft.state.leases.announced for scope in scopes):
        draft.add(PursesAnnounced(scopes=scopes))


def lease_report(state: SessionState, scope: Scope) -> HolderReport:
    """What a purse is told that asks the session."""
    leases = state.leases
    held = leases.of(scope)
    return HolderReport(
        since=state.created_at,
        number=held.number,
        spent=held.spent,
        open=leases.all_open,
        until=held.until,
        drawing=leases.drawing is not None,
    )


def _draw(state: SessionState, scope: Scope, needs: Amounts, now: datetime) -> Draw:
    leases = state.leases
    held = leases.of(scope)
    ended = held.until or held.ended
    return Draw(
        since=state.created_at,
        number=held.number + 1,
        spent=held.spent,
        settled=held.settled,
        open=leases.all_open,
        needs=needs,
        caps=told_caps(state, scope),
        lapsed=ended is not None and ended <= now and not leases.open,
        allowance=held.allowance,
    )


def _asked(draft: Draft, draws: dict[Scope, Draw]) -> tuple[AskPurses, ...]:
    draft.add(LeaseAsked(draws=draws))
    return (AskPurses(DrawLeases(user=purse_user(draft.state), draws=draws)),)


def _unit(refused: Refusal) -> Unit:
    unit = refused.limit.rpartition(".")[2]
    return "tokens" if unit == "tokens" else "tool_calls" if unit == "tool_calls" else "cost_usd"


def _shortfall(scope: Scope, refused: Refusal, unit: Unit, wanted: Amounts) -> Shortfall:
    dollars = unit == "cost_usd"
    return Shortfall(
        scope=scope,
        limit=refused.limit,
        cap=refused.cap,
        spent=refused.spent,
        needs=wanted.cost_usd if dollars else wanted.of(unit),
        spent_usd=refused.spent if dollars else None,
        needs_usd=wanted.cost_usd if dollars else None,
    )
