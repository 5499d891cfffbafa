"""Which purses have to bear what a session spends. Pure.

Those that its definition caps, or that of a session above it, and those that have caps of their own, as the gateway says
with a message.
"""

from typing import Final

from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.limits import PurseLimits
from perdure.workflows.protocol.purses import SCOPES, Scope

#: Sessions without a user share the purse of this one, who is also who answers for them where nobody is authenticated.
NOBODY: Final = "local"


def purse_user(state: SessionState) -> str:
    """The user whose purse the session draws on."""
    return state.new.user or NOBODY


def told_caps(state: SessionState, scope: Scope) -> tuple[PurseLimits, ...]:
    """What definitions cap for the user, or the tenant: the session's own, and those of its callers."""
    limits = state.effective_limits
    own = limits.user if scope == "user" else limits.tenant
    return (*state.leases.inherited.get(scope, ()), *((own,) if own.caps_spending else ()))


def asked_purses(state: SessionState) -> tuple[Scope, ...]:
    """The purses that have to bear what the session spends."""
    if state.rehearsal:
        return ()
    leases = state.leases
    return tuple(
        scope for scope in SCOPES if scope in leases.announced or scope in leases.inherited or told_caps(state, scope)
    )


def purses_below(state: SessionState) -> dict[Scope, tuple[PurseLimits, ...]]:
    """What a sub-agent's session is told of purses."""
    return {scope: told_caps(state, scope) for scope in asked_purses(state)}
