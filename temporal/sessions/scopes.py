"""What principals may be allowed to do, by name.

| scope | allows |
|---|---|
| `session:create` | to start sessions of one's own |
| `session:read` | to read a session, its events, its files and its open questions; to list sessions |
| `session:write` | to send, edit and withdraw messages, to stop, rewind and retry turns, to close it, to upload files |
| `session:answer` | to answer what a session asks of its user: input, client tools |
| `session:approve` | to allow or deny tool calls, and what a rewind takes back |
| `session:configure` | to change a session's model and metadata |
| `session:pin` | to pin a session to a definition |
| `session:limits` | to change a session's limits and to let it spend more |
| `session:trace` | to read prompts, answers and costs of each step |
| `session:fork` | to start a session with the past of another |
| `session:erase` | to erase a session |
| `agents:read` | to read which agents there are |
| `metrics` | to read the metrics of a gateway |

A session scope counts for the principal's own sessions; with `:any` at its end, for all of the tenant.
`session:create:any` also allows to name the user of a new session and to give its inputs. Any other name without a colon is a
role, as definitions name them (`approval: {by: [finance]}`).
"""

import re
from typing import Final, Literal, get_args

from perdure.workflows.definition.tools.options import NAME

Act = Literal[
    "create",
    "read",
    "write",
    "answer",
    "approve",
    "configure",
    "pin",
    "limits",
    "trace",
    "fork",
    "erase",
]

_ACTS: Final[tuple[str, ...]] = get_args(Act)
_OWN: Final = tuple(f"session:{act}" for act in _ACTS)
#: All that there is, for all of a tenant.
EVERYTHING: Final = (*(f"{scope}:any" for scope in _OWN), "agents:read", "metrics")
#: The most that a browser is trusted with, in one session.
BROWSER: Final = ("session:read", "session:write", "session:answer")
KNOWN: Final = frozenset([*_OWN, *EVERYTHING])

_ROLE: Final = re.compile(NAME)


def is_scope(name: str) -> bool:
    """Whether `name` is a scope or can be a role."""
    return name in KNOWN or _ROLE.fullmatch(name) is not None


def is_role(name: str) -> bool:
    return name not in KNOWN and _ROLE.fullmatch(name) is not None
