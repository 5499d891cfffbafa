"""Variables of a session: what each holds, and what a block may put into one. Pure.

Rule 1: a value is kept by its name. One that the definition which runs does not declare, or that does not fit there, is
not read: the variable has its default then. So it makes no difference that a parked handler rests on an older definition.
Rule 2: what a step's instructions are told of variables is kept in its record, so that they can be told again later.
"""

from collections.abc import Mapping
from functools import lru_cache

from jinja2 import Environment, TemplateSyntaxError, nodes
from pydantic import JsonValue

from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.variables import MOST_BYTES, SessionVariable, bytes_of


def values_of(state: SessionState) -> dict[str, JsonValue]:
    """Each session variable of the definition that runs, in its order; none where no definition is loaded."""
    loaded = state.slot.loaded
    return {} if loaded is None else values_in(loaded.definition, state.variables)


def values_in(definition: AgentDefinition, held: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What the variables of `definition` hold where these values were set."""
    return {
        name: held[name] if name in held and _fits(variable, held[name]) else variable.default
        for name, variable in definition.variables.items()
    }


def taken(
    variables: Mapping[str, SessionVariable], values: Mapping[str, JsonValue], name: str, value: JsonValue
) -> JsonValue:
    """What the session variable `name` holds once `value` is put into it, where all of them hold `values` now. Raises
    ValueError, in words."""
    try:
        made = variables[name].taken(value)
    except ValueError as error:
        raise ValueError(f"the session variable {name} {error}") from error
    if sum(map(bytes_of, {**values, name: made}.values())) > MOST_BYTES:
        raise ValueError(f"with {name}, the session's variables hold more than {MOST_BYTES // 1024} KiB")
    return made


def with_values(state: SessionState, values: Mapping[str, JsonValue]) -> SessionState:
    """`state` once its turn has set these session variables."""
    before = state.variables_before.setting(state.turns, state.variables, frozenset(values))
    return replace(state, variables={**state.variables, **values}, variables_before=before)


def values_then(state: SessionState, turns: int) -> dict[str, JsonValue]:
    """What was set when so many turns had ended; what is set now, where that is no longer known."""
    then = state.variables_before.at_end_of(turns, state.variables)
    return state.variables if then is None else then


def only_declared(state: SessionState) -> SessionState:
    """Without the values that the definition has no use for which was loaded. One that is lent for a turn drops nothing."""
    loaded, lent = state.slot.loaded, state.turn is not None and state.turn.lent is not None
    if not state.variables or loaded is None or lent:
        return state
    variables = loaded.definition.variables
    kept = {
        name: value for name, value in state.variables.items() if name in variables and _fits(variables[name], value)
    }
    return replace(state, variables=kept)


def told_of(state: SessionState) -> dict[str, JsonValue] | None:
    """What the instructions read of session variables, by name; None: nothing."""
    loaded = state.slot.loaded
    if loaded is None or not loaded.definition.variables:
        return None
    read = _names(loaded.definition.instructions)
    return {name: value for name, value in values_of(state).items() if name in read} or None


def told_bytes(state: SessionState) -> int:
    """Bytes of that."""
    return sum(map(bytes_of, (told_of(state) or {}).values()))


def _fits(variable: SessionVariable, value: JsonValue) -> bool:
    try:
        variable.taken(value)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _names(template: str) -> frozenset[str]:
    """The names that the template may read."""
    try:
        read = Environment(autoescape=False).parse(template).find_all(nodes.Name)
    except TemplateSyntaxError:
        return frozenset()
    return frozenset(one.name for one in read if one.ctx == "load")
