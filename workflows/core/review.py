"""What a signal or an outcome means for a budget question that is open: it may have settled it. Pure."""

from perdure.workflows.core.actions import PauseTurn
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.leases import to_ask_again
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.pausing import settled_meanwhile, withdraw
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import with_turn
from perdure.workflows.protocol.purses import SCOPES
from perdure.workflows.vocabulary.questions import Answerer


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
