"""The agent that a request names."""

from perdure.temporal.definitions.store import Definitions, Known
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.principal import Principal


def named_agent(definitions: Definitions, caller: Principal, name: str) -> Known:
    """The agent `name` of the caller's tenant. Raises `InvalidRequest`, which names the agents that there are to whoever may
    read them."""
    known = definitions.current(name, caller.tenant)
    if known is None:
        there = ""
        if caller.holds_scope("agents:read"):
            there = f"; there are: {', '.join(definitions.names(caller.tenant)) or 'none'}"
        raise InvalidRequest("agent", f"is not known{there}")
    return known
