"""What only the routes take; what they answer is in `gateway.openapi.answers`.

The bodies that ask something of the session service are its own (`temporal.sessions.requests`). Unknown fields are refused:
what this version does not carry out is never ignored.
"""

from typing import Annotated

from fastapi import Path

from perdure.temporal.sessions.requests import SessionId
from perdure.workflows.vocabulary.parts import Frozen, Id

SessionPath = Annotated[SessionId, Path(description="The session's id")]
MessagePath = Annotated[SessionId, Path(description="The message's id")]


class StopTurn(Frozen):
    #: Stops only this turn; left out: whichever runs.
    turn_id: Id | None = None
