"""What a run of AG-UI is of."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RunOf:
    """What a client asks for."""

    thread_id: str
    run_id: str
    parent_run_id: str | None = None
    #: The user's message that the run answers, which has not had its turn; None: the run is what the session is at.
    message_id: str | None = None
    #: Interrupts that were answered after the snapshot with which the run begins.
    answered: frozenset[str] = frozenset()
    #: Tools that the client runs; None: whatever the session leaves to clients.
    tools: frozenset[str] | None = None
    #: What the client asked for and is not done, as the value of a `CUSTOM` event `ignored`.
    ignored: dict[str, Any] = field(default_factory=dict)
