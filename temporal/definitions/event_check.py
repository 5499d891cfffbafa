"""What is wrong with the events of a definition, and with the blocks that wait for them; see `handler_check.py`."""

from collections.abc import Iterator, Mapping
from typing import Any

from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.inputs import faults_of, schema_of
from perdure.temporal.definitions.template_check import VALUES
from perdure.temporal.definitions.template_names import misread_names
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.handlers import EventDefinition, Handler, WaitFor
from perdure.workflows.definition.handlers.events import name_faults, unknown_event, waits_in

#: What `when` calls the event.
EVENT = "event"


def event_findings(definition: AgentDefinition) -> Iterator[Finding]:
    """In the order of the events."""
    for name, why in name_faults(definition.events, definition.handlers):
        yield Finding(("events", name), why, (("handlers", name),))
    for name, event in definition.events.items():
        for loc, message in faults_of(event.inputs):
            yield Finding(("events", name, "inputs", *loc), message)


def wait_findings(at: Loc, block: WaitFor, events: Mapping[str, EventDefinition]) -> Iterator[Finding]:
    """Of a block that waits for an event: its name, and what `when` reads of what the event says."""
    why = unknown_event(block, events)
    if why is not None:
        yield Finding((*at, EVENT), why, (("events",),))
    elif block.event is not None and block.when is not None:
        schemas: dict[str, Any] = {**VALUES, EVENT: schema_of(events[block.event].inputs)}
        for _, message in misread_names(block.when, schemas):
            yield Finding((*at, "when"), message, kind="warning")


def unheard(events: Mapping[str, EventDefinition], handlers: Mapping[str, Handler]) -> Iterator[tuple[Loc, str]]:
    """Events that no handler waits for."""
    heard = {block.event for _, block in waits_in(handlers)}
    for name in events:
        if name not in heard:
            yield (
                ("events", name),
                f"no handler waits for it, so a session keeps what it is sent until it closes; add wait: {{event: {name}}}, "
                "or remove it",
            )
