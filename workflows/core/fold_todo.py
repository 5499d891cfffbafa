"""What `todo.updated` makes of a session's state. Pure."""

from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.todo import TodoVersion
from perdure.workflows.vocabulary.todo import TodoUpdated


def with_todo(state: SessionState, event: TodoUpdated) -> SessionState:
    """`state` with the list that a call gave; outside of turns, with the one that another branch had."""
    if event.turn_id is None:
        return replace(state, todo=state.todo.showing(event.items))
    # The message that made the call is the last one, or it comes before the results of the step's other calls.
    version = TodoVersion(turn_id=event.turn_id, number=state.transcript.total - 1, items=event.items)
    return replace(state, todo=state.todo.written(version))
