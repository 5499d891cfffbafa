"""What all events have in common, and how a turn can end."""

from datetime import datetime
from typing import Literal, Self

from perdure.workflows.vocabulary.parts import Frozen

TurnEnd = Literal["done", "stopped", "interrupted", "budget", "max_steps", "parked", "failed"]


class EventBase(Frozen):
    seq: int
    at: datetime
    turn_id: str | None = None

    def without_args(self) -> Self:
        """The event of a tool call without the arguments, for whoever has them already."""
        return self.model_copy(update={"args": {}, "blob": None})
