"""What the route of triggers answers."""

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen, absent


class HandlerTriggered(Frozen):
    session_id: str
    #: By which `turn.started`, or `message.rejected`, tells what became of it. For an event that no handler has taken yet,
    #: there is neither.
    trigger_id: str
    #: A cursor from before the trigger's first event.
    seq: int
    #: Where it waits, from 1; absent where it does not wait.
    position: int | None = Field(default=None, exclude_if=absent)
