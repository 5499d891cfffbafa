"""How a model names a session: by one more step at the end of a turn that went well. Pure.

Rule: a name is worth neither a question nor a failure. Whatever becomes of its step, the turn ends as it would have without.
"""

from typing import Final

from perdure.workflows.core.actions import Action, CallModel, FinishTurn
from perdure.workflows.core.handler_actions import CarryOn, NameSession
from perdure.workflows.core.next_of_steps import next_call
from perdure.workflows.core.state.handlers import NAMING, Asking, HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.vocabulary.blocks import Block

#: Turns of a session at the ends of which a model is asked for a name, until it gives one.
_TRIES: Final = 3


def after_turn(state: SessionState, turn: Turn, action: Action) -> Action:
    """`action`, unless it ends the turn and the session is to be named first, or the turn has only the name left."""
    if turn.names_session:
        return FinishTurn("done") if isinstance(action, FinishTurn | CarryOn) else action
    if not isinstance(action, FinishTurn) or action.reason != "done":
        return action
    run = naming_run(state)
    if run is None:
        return action
    # A call for which a lease would have to be drawn first, or that a limit does not bear, is not made for a name.
    named = replace(turn, run=run)
    return NameSession(run) if isinstance(next_call(replace(state, turn=named), named), CallModel) else action


def naming_run(state: SessionState) -> HandlerRun | None:
    """None: nobody looks for this session in a list, or it has a name, or its agent has no model for that."""
    loaded = state.slot.loaded
    policy = loaded.definition.title if loaded is not None else None
    listed = state.new.parent is None and not state.new.once and not state.rehearsal
    if loaded is None or policy is None or not listed or state.title or state.turns > _TRIES:
        return None
    asking = Asking(
        block=Block(handler=NAMING, kind="title", name="title", at="title", display="hidden"),
        role=policy.model,
        prompt=policy.prompt,
        into="title",
    )
    return HandlerRun(handler=NAMING, digest=loaded.digest, doing=asking)
