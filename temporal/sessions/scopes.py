"""What principals may be allowed to do, by name.

A scope of sessions counts for the principal's own; with `:any` at its end, for all of the tenant. A name without a colon that
is no scope is a role, as definitions name them (`approval: {by: [finance]}`).
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

from perdure.workflows.definition.tools.options import NAME

Act = Literal["create", "read", "write", "answer", "approve", "configure", "pin", "limits", "trace", "fork", "erase"]

#: What each allows.
SESSION_SCOPES: Final[Mapping[Act, str]] = {
    "create": "to start sessions of one's own, with a first message; with `:any`, to name their user and to give inputs",
    "read": "to read a session, its events, files and questions; to list sessions; to read budgets",
    "write": "to send, edit and withdraw messages; to stop, rewind and retry turns, and to give feedback on them; to cancel "
    "timers; to name and to close a session; to upload files",
    "answer": "to answer what a session asks of its user: forms and client tools; to end a turn that has no budget left",
    "approve": "to allow or deny tool calls, and what a rewind takes back",
    "configure": "to change a session's model, metadata and title",
    "pin": "to pin a session to a definition, together with `session:configure`",
    "limits": "to change a session's limits, and to let it spend more; with `:any`, to set budgets",
    "trace": "to read the prompt, the answer and the cost of each step",
    "fork": "to start a session with the past of another; to send it a message at once needs `session:write`, too, "
    "and the past of another user's session `session:read:any`",
    "erase": "to erase a session",
}
OTHER_SCOPES: Final[Mapping[str, str]] = {
    "agents:read": "to read which agents there are",
    "metrics": "to read the metrics of a gateway, which are of all tenants",
}
_OWN: Final = tuple(f"session:{act}" for act in get_args(Act))
#: All that there are, without `:any`.
SCOPES: Final = (*_OWN, *OTHER_SCOPES)
#: All that there is for all of a tenant. The metrics of a gateway are of no tenant alone.
EVERYTHING: Final = (*(f"{scope}:any" for scope in _OWN), "agents:read")
#: What a user does with sessions of their own.
OF_A_USER: Final = (
    "session:create",
    "session:read",
    "session:write",
    "session:answer",
    "session:approve",
    "agents:read",
)
#: The most that a browser is trusted with, in one session.
BROWSER: Final = ("session:read", "session:write", "session:answer")

_KNOWN: Final = frozenset([*SCOPES, *EVERYTHING])
_ROLE: Final = re.compile(NAME)


def is_scope(name: str) -> bool:
    """Whether `name` is a scope or can be a role."""
    return name in _KNOWN or _ROLE.fullmatch(name) is not None
