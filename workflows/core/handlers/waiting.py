"""Blocks that wait for a time or an event: what one is carried out with, and what those that wait are waiting for. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from perdure.workflows.core.handlers.templates import text
from perdure.workflows.core.state.handlers import AskingPerson, Waiting
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.handlers import WaitFor

#: Handlers that are told of.
_MOST: Final = 5


def waiting(block: WaitFor, at: str, names: Mapping[str, object]) -> Waiting:
    """With its times filled in. `when` is asked later, of each event. Raises TemplateFault."""
    return Waiting(
        at=at,
        length=None if block.length is None else text(block.length, names),
        until=None if block.until is None else text(block.until, names),
        event=block.event,
        when=block.when,
        into=block.into,
    )


def waits_in_words(state: SessionState) -> Iterator[str]:
    """What handlers wait for, a line for each of the oldest."""
    parked = state.handlers.parked
    for run in parked[:_MOST]:
        match run.doing:
            case AskingPerson():
                what = "a person"
            case Waiting(event=str(event)):
                what = f"the event {event}"
            case _:
                what = "its time"
        yield f"the handler {run.handler} waits for {what}"
    if len(parked) > _MOST:
        yield f"{len(parked) - _MOST} more handlers wait"
