"""Which role answers, and with which model of its route the next step of a turn begins. Pure.

Rule: a step begins with the model that answered the turn's last one, for what only that model understands (signed reasoning,
its own ids) is in the conversation by then. The next turn begins with the first model of the route again.
"""

from perdure.workflows.core.state.handlers import Asking, Responding
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.limits import Cheaper
from perdure.workflows.definition.route import Hop


def answering_role(state: SessionState) -> str:
    """The role that answers: the one that stands in at a limit, the one that a handler's block names, the
    message's, the session's, or the definition's."""
    loaded, turn = state.slot.loaded, state.turn
    on_limit = state.effective_limits.on_limit
    if turn is not None and turn.cheaper and isinstance(on_limit, Cheaper) and route_of(state, on_limit.cheaper):
        return on_limit.cheaper
    doing = turn.run.doing if turn is not None and turn.run is not None else None
    if isinstance(doing, Responding | Asking) and doing.role is not None and route_of(state, doing.role):
        return doing.role
    asked = turn.role if turn is not None else None
    if asked is not None and loaded is not None and asked in loaded.definition.models:
        return asked
    return state.slot.model_role


def route_of(state: SessionState, role: str) -> tuple[Hop, ...]:
    """The route of `role` in the definition that runs; empty where none does."""
    loaded = state.slot.loaded
    return loaded.definition.route(role) if loaded is not None else ()


def first_place(state: SessionState, role: str) -> int:
    """Where in the route of `role` the turn's next step begins, from 0."""
    last = state.log.last_answer
    turn, loaded = state.turn, state.slot.loaded
    if last is None or turn is None or loaded is None:
        return 0
    same = (last.turn_id, last.role, last.digest) == (turn.turn_id, role, loaded.digest)
    return last.hop if same else 0


def first_hop(state: SessionState) -> Hop | None:
    """The model that the turn's next step begins with; None where no definition runs."""
    role = answering_role(state)
    hops = route_of(state, role)
    return hops[first_place(state, role)] if hops else None
