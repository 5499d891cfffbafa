"""What a signal or an outcome means for a budget question that is open: it may have settled it. Pure."""

from perdure.workflows.core.actions import PauseTurn
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.lease_changes import PurseHasMore
from perdure.workflows.core.leases import to_ask_again
from perdure.workflows.core.limit_changes import QuotaPassed
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.pausing import settled_meanwhile, withdraw
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import with_turn
from perdure.workflows.definition.purse_caps import each_cap, limit_name
from perdure.workflows.definition.route import Hop
from perdure.workflows.protocol.purses import SCOPES
from perdure.workflows.vocabulary.questions import Answerer

#: Sessions of older behavior asked the model that they had begun with.
PASSES_QUOTA = 2


def ask_purse_again(draft: Draft, by: Answerer | None) -> None:
    """Has the purse asked once more that the turn waits for, where the session's limits cap it higher now, or not at all."""
    turn = draft.state.turn
    short = turn.pause.short if turn is not None and turn.pause is not None else None
    if short is None or short.scope not in SCOPES or short.cap is None:
        return
    limits = draft.state.effective_limits
    caps = limits.user if short.scope == "user" else limits.tenant
    cap = next((cap for period, unit, cap in each_cap(caps) if limit_name(period, unit) == short.limit), None)
    if cap is None or cap > short.cap:
        draft.add(PurseHasMore(scope=short.scope, value=cap, by=by))


def pass_quota(draft: Draft, before: Hop | None) -> None:
    """Lets a turn that has come to a provider's quota go on where another model answers now than `before`."""
    state = draft.state
    if state.behavior < PASSES_QUOTA or state.turn is None or state.turn.quota is None:
        return
    now = first_hop(state)
    if before is not None and now is not None and now.model != before.model:
        draft.add(QuotaPassed())


def review(draft: Draft, by: Answerer | None = None) -> None:
    """Settles the open question where the turn ends, or would not ask it any more; `by`: who has seen to that."""
    turn = draft.state.turn
    if turn is None or turn.pause is None:
        return
    if turn.stopping or turn.error is not None:
        withdraw(draft, "stopped")
        return
    if turn.pause.short.scope in SCOPES and (draft.state.leases.drawing is not None or to_ask_again(draft.state)):
        # The purse decides.
        return
    then = next_action(with_turn(draft.state, replace(turn, pause=None)))
    same = isinstance(then, PauseTurn) and (then.short.scope, then.short.limit) == (
        turn.pause.short.scope,
        turn.pause.short.limit,
    )
    if not same:
        settled_meanwhile(draft, turn.pause, by)
