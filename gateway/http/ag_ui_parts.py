"""What AG-UI's clients send, as what the session service takes. Faults name the field of the client's request."""

from collections.abc import Set
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from perdure.gateway.http.ag_ui_body import AgUiMessage, AgUiPart, AgUiResume
from perdure.temporal.schemas.yaml_source import field_name
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.requests import AnswerBody, FirstMessage
from perdure.temporal.sessions.validation import from_validation
from perdure.workflows.vocabulary.questions import Question

#: Fields of the answer to an approval or a budget question.
_DECISION: Final = frozenset({"approved", "reason", "args", "remember", "result"})
_PARTS: Final[TypeAdapter[tuple[AgUiPart, ...]]] = TypeAdapter(tuple[AgUiPart, ...])


#: Where something stands in a request.
Place = tuple[str | int, ...]


def message_of(message: AgUiMessage, place: Place) -> FirstMessage:
    """A user's message, which is at `place`. Raises `InvalidRequest`."""
    try:
        if isinstance(message.content, str):
            return FirstMessage(message_id=message.id, text=message.content)
        given = enumerate(_PARTS.validate_python(message.content or ()))
        parts = [_part(part, (*place, "content", number)) for number, part in given]
        return FirstMessage.model_validate({"message_id": message.id, "parts": parts})
    except ValidationError as error:
        raise from_validation([_in_message(place, one) for one in error.errors()]) from None


def _in_message(place: Place, error: Any) -> dict[str, Any]:
    match error["loc"]:
        case ("message_id",):
            return _at((*place, "id"), error, {"message_id"})
        case ("parts", int(number), "text" | "file", *_):
            return {**error, "loc": ("body", *place, "content", number)}
        case _:
            return _at((*place, "content"), error, {"text", "parts"})


def _at(place: Place, error: Any, left_out: Set[str] = frozenset()) -> dict[str, Any]:
    """pydantic's error, with its place in the client's request; the first of its own is `left_out` where it is ours."""
    own = error["loc"][1:] if error["loc"] and error["loc"][0] in left_out else error["loc"]
    return {**error, "loc": ("body", *place, *own)}


def _part(part: AgUiPart, place: Place) -> dict[str, Any]:
    if part.type == "text":
        if part.text is None:
            raise InvalidRequest(field_name((*place, "text")), "is required")
        return {"type": "text", "text": part.text}
    source = part.source
    if source is None:
        raise InvalidRequest(field_name((*place, "source")), "is required")
    if source.type == "data":
        media = source.mimeType or "application/octet-stream"
        return {"type": "file", "uri": f"data:{media};base64,{source.value}"}
    media_type = {} if source.mimeType is None else {"media_type": source.mimeType}
    return {"type": "file", "uri": source.value, **media_type}


def answer_to(question: Question, given: AgUiResume, place: Place) -> AnswerBody:
    """What an entry of `resume`, whose payload is at `place`, answers to an open question. Raises `InvalidRequest`."""
    question_id, payload = question.question_id, given.payload
    if given.status == "cancelled":
        told = payload.get("reason") if isinstance(payload, dict) else None
        return AnswerBody(question_id=question_id, approved=False, reason=told if isinstance(told, str) else None)
    if question.kind == "input":
        return AnswerBody(question_id=question_id, result=payload)
    if not isinstance(payload, dict):
        raise InvalidRequest(field_name(place), "must be a JSON object with approved: true or false")
    if unknown := sorted(payload.keys() - _DECISION):
        raise InvalidRequest(field_name((*place, unknown[0])), "is not a field that this answer takes")
    try:
        return AnswerBody.model_validate({**payload, "question_id": question_id})
    except ValidationError as error:
        raise from_validation([_at(place, one) for one in error.errors()]) from None


def renamed(error: InvalidRequest, place: Place, left_out: str = "") -> InvalidRequest:
    """What the session service found wrong, with its place in the client's request. `left_out`: the field of ours that
    stands for the place itself."""
    if not error.errors:
        return error
    first = error.errors[0]
    own = first.field.removeprefix(left_out).removeprefix(".")
    joint = "" if not own or own.startswith("[") else "."
    return InvalidRequest(f"{field_name(place)}{joint}{own}", first.message)


def results_of(message: AgUiMessage, question_id: str) -> list[AnswerBody]:
    """The ways in which a client tool's result can be read, the likeliest first: its content is always text."""
    if message.error is not None:
        return [AnswerBody(question_id=question_id, approved=False, reason=message.error[:2000] or None)]
    content = message.content
    if not isinstance(content, str):
        return [AnswerBody(question_id=question_id, result=content)]
    as_text = AnswerBody(question_id=question_id, result=content)
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return [as_text]
    as_value = AnswerBody(question_id=question_id, result=value)
    return [as_text, as_value] if isinstance(value, bool | int | float | None) else [as_value, as_text]
