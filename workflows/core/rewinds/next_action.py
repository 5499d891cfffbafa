"""What a session with a rewind does next. Pure."""

from perdure.workflows.core.actions import Action, FinishTurn, GoOn, TakeBack, UndoNext, Wait
from perdure.workflows.core.rewinds.begin import needs_turn
from perdure.workflows.core.state.rewinding import Rewinding, Undoing
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Turn


def next_of_rewind(state: SessionState, rewinding: Rewinding) -> Action:
    """Between two turns."""
    return TakeBack() if needs_turn(state, rewinding) else GoOn(rewinding.branch)


def next_of_undoing(turn: Turn, undoing: Undoing) -> Action:
    """In the turn of a rewind, while nothing is being taken back and nothing is wrong."""
    if undoing.question_id is not None and undoing.agreed is None:
        return Wait(frozenset(), (undoing.question_id,))
    if undoing.agreed and undoing.left:
        return UndoNext(undoing.left[0].undo_call_id)
    return FinishTurn("done")
