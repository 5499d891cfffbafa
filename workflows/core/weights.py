"""How much of what a session holds counts towards sealing, in bytes, about as much as its JSON. Pure.

Rule: a weight depends on what was said alone, and never on which fields records have. By it a session decides when to
seal, so recorded histories would replay otherwise where another version found another weight. For the same reason nothing in
here changes but behind a new behavior (`perdure.workflows.protocol.signals.BEHAVIOR`).
"""

from typing import Final

from pydantic_core import to_json

from perdure.workflows.protocol.segments import message_in
from perdure.workflows.vocabulary.events import Event, FeedbackGiven, StepStarted, ToolFinished
from perdure.workflows.vocabulary.parts import Message, Part

_STEP: Final = 600
_EVENT: Final = 250
_MESSAGE: Final = 150


def weight_of(event: Event) -> int:
    """Of an event, with the message in it, or with the step that it tells of."""
    message = message_in(event)
    if message is not None:
        return _EVENT + weight_of_message(message)
    if isinstance(event, ToolFinished):
        # Of a call whose result is not said.
        return _EVENT + _MESSAGE + _weight_of_part(event.result)
    if isinstance(event, StepStarted):
        return _EVENT + _STEP
    if isinstance(event, FeedbackGiven):
        return _EVENT + len((event.text or "").encode())
    args = getattr(event, "args", None)
    return _EVENT + (len(to_json(args, inf_nan_mode="strings")) if args else 0)


def weight_of_message(message: Message) -> int:
    return _MESSAGE + sum(map(_weight_of_part, message.parts))


def _weight_of_part(part: Part) -> int:
    return len(part.model_dump_json(exclude_defaults=True).encode())
