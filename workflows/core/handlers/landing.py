"""Where the value of a block goes: into a variable of the handler's run, or into one of the session. Pure.

Rule: a value that a session variable does not take is an error of its block, and the run stays at that block.
"""

from pydantic import JsonValue

from perdure.workflows.core.handlers.interpreter import advanced
from perdure.workflows.core.session_variables import taken, values_in, with_values
from perdure.workflows.core.state.handlers import HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, with_turn
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.vocabulary.errors import HANDLER_INVALID
from perdure.workflows.vocabulary.parts import ToolError


def landed(
    state: SessionState,
    turn: Turn,
    run: HandlerRun,
    into: str | None,
    value: JsonValue,
    at: str,
    agent: LoadedAgent | None,
) -> SessionState:
    """`state` with `turn` and its `run` behind the block `at`, whose value went to the variable `into`; None: nowhere.
    `agent`: the definition that the run began with."""
    made = None if into is None else shared_value(state, agent, into, value, at)
    match made:
        case None:
            return with_turn(state, replace(turn, run=advanced(run, into, value)))
        case ToolError():
            return with_turn(state, replace(turn, run=run, error=turn.error or made))
        case _:
            return with_turn(with_values(state, made), replace(turn, run=advanced(run)))


def shared_value(
    state: SessionState, agent: LoadedAgent | None, into: str, value: JsonValue, at: str
) -> dict[str, JsonValue] | ToolError | None:
    """What goes to a session variable, or why it does not; None: `into` is a variable of the run's own."""
    if agent is None or into not in agent.definition.variables:
        return None
    variables, values = agent.definition.variables, values_in(agent.definition, state.variables)
    try:
        return {into: taken(variables, values, into, value)}
    except ValueError as error:
        return ToolError(type=HANDLER_INVALID, message=f"{at}: {error}")
