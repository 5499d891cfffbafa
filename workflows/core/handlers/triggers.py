"""Triggers: a handler that somebody asks for by its name. It waits among the messages, and has a turn of its own. Pure.

Rule: a trigger that was taken in ends with exactly one `turn.started` or `message.rejected` that bears its id.
"""

from dataclasses import dataclass

from pydantic import JsonValue

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.handlers import MESSAGE
from perdure.workflows.protocol.signals import Trigger
from perdure.workflows.vocabulary.parts import Data, Message

_PART = "trigger"


@dataclass(frozen=True)
class Triggered:
    """What a trigger that waits asks for."""

    name: str
    inputs: dict[str, JsonValue]


def as_message(command: Trigger, message: Message) -> Message:
    """`message`, which nobody wrote, as what stands for the trigger while it waits."""
    part = Data(name=_PART, value={"handler": command.name, "inputs": command.inputs})
    return message.model_copy(update={"parts": (part,), "own": True})


def triggered(message: Message) -> Triggered | None:
    """None: the message is one of a user's."""
    match message:
        case Message(own=True, parts=(Data(name="trigger", value={"handler": str(name), "inputs": dict(inputs)}),)):
            return Triggered(name, inputs)
        case _:
            return None


def inputs_of(wanted: Triggered, loaded: LoadedAgent) -> dict[str, JsonValue] | None:
    """With defaults filled in; None where the definition has no such handler, or it takes others by name."""
    handler = loaded.definition.handlers.get(wanted.name)
    if handler is None or wanted.name == MESSAGE:
        return None
    defaults = {name: schema["default"] for name, schema in handler.inputs.items() if "default" in schema}
    given = {**defaults, **wanted.inputs}
    return given if given.keys() == handler.inputs.keys() else None
