"""How much of what a session holds counts towards sealing, in bytes, about as much as its JSON. Pure.

Rule: a weight depends on what was said alone, and never on which fields records have. By it a session decides when to
seal, so recorded histories would replay otherwise where another version found another weight. For the same reason nothing in
here changes but behind a new behavior (`perdure.workflows.protocol.signals.BEHAVIOR`).
"""

from typing import Final

from pydantic_core import to_json

from perdure.workflows.protocol.segments import message_in
from perdure.workflows.vocabulary.events import Event, StepStarted
from perdure.workflows.vocabulary.parts import Message

_STEP: Final = 600
_EVENT: Final = 250
_MESSAGE: Final = 150


def weight_of(event: Event) -> int:
    """Of an event, with the message in it, or with the step that it tells of."""
    message = message_in(event)
    if message is not None:
        return _EVENT + weight_of_message(message)
    if isinstance(event, StepStarted):
        return _EVENT + _STEP
    args = getattr(event, "args", None)
    return _EVENT + (len(to_json(args, inf_nan_mode="strings")) if args else 0)


def weight_of_message(message: Message) -> int:
    return _MESSAGE + sum(len(part.model_dump_json(exclude_defaults=True).encode()) for part in message.parts)
