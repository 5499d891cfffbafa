"""On whose behalf a tool is called. Light on purpose: tools import it, and it imports the standard library alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a tool can know of the session and the call that it runs for; a model neither sees nor sets any of it.

    All attempts at a call are given the same context. The defaults are for a tool's own tests.
    """

    tenant: str = "default"
    #: As the gateway authenticated the caller, or as whoever created the session named the user. None: nobody did.
    user: str | None = None
    session_id: str = ""
    #: Name of the agent whose model made the call.
    agent: str = ""
    turn_id: str = ""
    call_id: str = ""
    #: Inputs of that agent, as the session was given them.
    inputs: Mapping[str, Any] = field(default_factory=dict)
    #: The session's metadata when the call began.
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: The session's time zone, by its IANA name.
    timezone: str = "UTC"

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this call, and for no other call: workflow id and call id."""
        return f"{self.tenant}/{self.session_id}/{self.call_id}"
