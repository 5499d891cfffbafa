"""Events that a definition declares: what other systems tell a session, and its handlers wait for (`wait: {event: …}`)."""

import operator
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, JsonValue

from perdure.workflows.definition.handlers.handler import MESSAGE, Handler, blocks_in
from perdure.workflows.definition.handlers.plain import WaitFor
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen


class EventDefinition(Frozen):
    """What other systems tell a session. It begins no turn: a handler that waits for it goes on."""

    inputs: dict[Name, dict[str, JsonValue]] = Field(
        default={},
        exclude_if=operator.not_,
        description="What the event says: a JSON Schema for each name. An input is required unless its schema has a default.",
    )


Events = Annotated[
    dict[Name, EventDefinition],
    Field(
        max_length=100,
        exclude_if=operator.not_,
        description="Events that other systems send sessions of this agent, by name, as they trigger handlers; handlers wait "
        "for them (`wait: {event: NAME}`).",
    ),
]


def waits_in(handlers: Mapping[str, Handler]) -> Iterator[tuple[str, WaitFor]]:
    """The blocks that wait for an event, each with its place."""
    for name, handler in handlers.items():
        for at, block in blocks_in(handler.do, name):
            if isinstance(block, WaitFor) and block.event is not None:
                yield at, block


def event_faults(events: Mapping[str, EventDefinition], handlers: Mapping[str, Handler]) -> Iterator[tuple[str, str]]:
    """What of the events, and of the blocks that wait for them, does not fit: the field of the definition, and why."""
    yield from (("events", f"{name}: {why}") for name, why in name_faults(events, handlers))
    for at, block in waits_in(handlers):
        why = unknown_event(block, events)
        if why is not None:
            yield "handlers", f"{at}.event: {why}"


def name_faults(events: Mapping[str, EventDefinition], handlers: Mapping[str, Handler]) -> Iterator[tuple[str, str]]:
    """Events that cannot be called so, and why."""
    for name in events:
        if name == MESSAGE:
            yield name, "is what the handler of messages is called; give the event another name"
        elif name in handlers:
            yield name, f"a handler is called {name}, too, and both are sent by their name; rename one of them"


def unknown_event(block: WaitFor, events: Mapping[str, EventDefinition]) -> str | None:
    """Why the block can wait for nothing of this name; None: it can, or waits for a time."""
    if block.event is None or block.event in events:
        return None
    near = did_you_mean(block.event, events) or (
        f"; there are: {', '.join(events)}" if events else f"; add events: {{{block.event}: {{}}}}"
    )
    return f"{block.event!r} is not one of events{near}"
