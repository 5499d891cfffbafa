"""What the AI SDK's clients send, and what of it counts. Pure.

Rule 1: fields of our own are checked as everywhere. A client's messages are its own record: of them only the last one counts,
and the answers that it gives, so that whatever else a client keeps in them does not matter.
Rule 2: what is asked, and with which arguments, the session knows. A client's word on that is not read.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from perdure.temporal.sessions.errors import FieldError, InvalidRequest
from perdure.temporal.sessions.requests import AnswerBody, EditMessageBody, Label, SessionId, SmallObject
from perdure.temporal.sessions.validation import from_validation
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.parts import Frozen
from perdure.workflows.vocabulary.questions import Question

#: The most that a refusal's reason may have.
_MAX_REASON: Final = 2000
#: An id that has room for the mark of an edit.
_ID: Final = re.compile(r"[A-Za-z0-9._~:-]{1,190}")
#: What clients call the fields of a part, by its type and by their names in the session.
_NAMES: Final = {
    ("file", "uri"): "url",
    ("file", "media_type"): "mediaType",
    ("file", "name"): "filename",
    ("data", "name"): "type",
    ("data", "value"): "data",
}
_SETTLED: Final = ("output-available", "output-error", "output-denied")


class ClientMessage(BaseModel):
    """A message as clients of the AI SDK keep it (`UIMessage`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Made by the client. A user's message has it in the session, too.
    id: Annotated[str, Field(min_length=1, max_length=420)]
    role: Literal["system", "user", "assistant"]
    #: As the AI SDK has them: `text`, `file`, `data-…`, and of an answer its calls.
    parts: tuple[dict[str, JsonValue], ...] = ()


class UseChatRequest(Frozen):
    """A message, an edit, a regeneration, or the answers to what an answer asks."""

    #: The chat's id, which is the session's.
    id: SessionId
    #: All messages that the client has. Only the last one is read, or the one that `messageId` names.
    messages: tuple[ClientMessage, ...] = ()
    #: That message alone, for clients that do not send all of them (`prepareSendMessagesRequest`).
    message: ClientMessage | None = None
    #: Whether an answer is to be given again.
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    #: The user's message that is edited, the answer that is given again, or the answer whose questions are answered.
    messageId: Annotated[str, Field(max_length=420)] | None = None
    #: The agent's inputs, for the session that the chat's first message starts.
    inputs: SmallObject = {}
    #: The same of its metadata.
    metadata: SmallObject = {}
    #: The user that the session is started for.
    user: Label | None = None
    #: The role that answers, one of the models of the session's agent. Left out: the session's own.
    model: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    #: What becomes of a message that comes while a turn runs. Left out: as the agent says; a message that comes while the
    #: session waits for an answer goes before the question (`interrupt`).
    busy: Busy | None = None
    #: Whether calls that leave with an edit or a regeneration are taken back, by the `undo` of their tools.
    undo: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _one_of_both(self) -> "UseChatRequest":
        if (self.message is None) == (not self.messages):
            raise ValueError("give either messages or message")
        return self

    @property
    def last(self) -> ClientMessage:
        """The message that counts."""
        if self.message is not None:
            return self.message
        named = next((one for one in self.messages if one.id == self.messageId), None)
        return named if named is not None and self.trigger == "submit-message" else self.messages[-1]

    @property
    def field(self) -> str:
        """Where `last` stands."""
        return "message" if self.message is not None else f"messages[{self.messages.index(self.last)}]"


class StopChat(BaseModel):
    """Which answer to stop; nothing: whichever runs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: The answer's id.
    activeStreamId: str | None = None
    #: The answer as far as the client has it.
    assistantMessage: ClientMessage | None = None

    @property
    def named(self) -> str | None:
        """The id of the answer that is meant; None: none is named."""
        if self.activeStreamId is not None:
            return self.activeStreamId
        return None if self.assistantMessage is None else self.assistantMessage.id


def user_message_id(message: ClientMessage, field: str) -> str:
    """The id of a user's message, which the session keeps. Raises `InvalidRequest`."""
    if message.role != "user":
        raise InvalidRequest(f"{field}.role", "is neither user nor assistant")
    if _ID.fullmatch(message.id) is None or message.id in (".", ".."):
        raise InvalidRequest(f"{field}.id", "is not 1 to 190 letters, digits and any of ._~:-")
    return message.id


def parts_of(message: ClientMessage, field: str) -> EditMessageBody:
    """What a user's message says. Raises `InvalidRequest`, which names the part."""
    parts: list[dict[str, JsonValue]] = []
    places: list[int] = []
    for place, part in enumerate(message.parts):
        kind, before = part.get("type"), len(parts)
        if kind == "text" and str(part.get("text", "")).strip():
            parts.append({"type": "text", "text": part.get("text")})
        elif kind == "file":
            named = {"name": part["filename"]} if part.get("filename") else {}
            media_type = {"media_type": part["mediaType"]} if part.get("mediaType") else {}
            parts.append({"type": "file", "uri": part.get("url"), **media_type, **named})
        elif isinstance(kind, str) and kind.startswith("data-"):
            parts.append({"type": "data", "name": kind.removeprefix("data-"), "value": part.get("data")})
        places += [place] * (len(parts) - before)
    if not parts:
        raise InvalidRequest(f"{field}.parts", "has no text and no file")
    try:
        return EditMessageBody.model_validate({"parts": parts})
    except ValidationError as error:
        found = from_validation([{**one, "loc": (field, *_place(one["loc"], places))} for one in error.errors()])
        wrong = [FieldError(f"{field}.{one.field}", one.message) for one in found.errors]
        raise InvalidRequest(None, "; ".join(f"{one.field}: {one.message}" for one in wrong[:3]), wrong) from None


def _place(loc: tuple[str | int, ...], places: list[int]) -> list[str | int]:
    """Where the client has what is wrong at `loc` of a part; `places` are those of the parts."""
    match loc:
        case (head, int(place), str(kind), str(name), *rest):
            return [head, places[place], kind, _NAMES.get((kind, name), name), *rest]
        case (head, int(place), *rest):
            return [head, places[place], *rest]
        case _:
            return [*loc]


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A call of an answer as a client has it."""

    state: str
    #: Whether it may run, where the client's user has said so, by the question's id.
    approval: tuple[str, bool, str | None] | None
    output: JsonValue
    error: str | None

    @property
    def is_settled(self) -> bool:
        return self.state in _SETTLED


def calls_of(message: ClientMessage) -> dict[str, ClientCall]:
    """The calls of an answer, by id. What is no call as `ai` writes them is passed over."""
    found: dict[str, ClientCall] = {}
    for part in message.parts:
        call_id, state = part.get("toolCallId"), part.get("state")
        if not isinstance(call_id, str) or not isinstance(state, str):
            continue
        found[call_id] = ClientCall(
            state, _approval(part.get("approval")), part.get("output"), _text(part, "errorText")
        )
    return found


def answers_to(questions: tuple[Question, ...], calls: dict[str, ClientCall]) -> list[AnswerBody]:
    """What a client's calls answer of a session's open questions."""
    found: list[AnswerBody] = []
    for question in questions:
        call = calls.get(question.call_id or "")
        if call is None or question.subject != "call":
            continue
        if question.kind == "approval":
            if call.approval is not None and call.approval[0] == question.question_id:
                _, approved, reason = call.approval
                found.append(AnswerBody(question_id=question.question_id, approved=approved, reason=reason))
        elif question.form in ("result", "fields"):
            if call.state == "output-available":
                found.append(AnswerBody(question_id=question.question_id, result=call.output))
            elif call.state == "output-error":
                found.append(AnswerBody(question_id=question.question_id, approved=False, reason=call.error))
    return found


def _approval(given: Any) -> tuple[str, bool, str | None] | None:
    if not isinstance(given, dict) or not isinstance(given.get("approved"), bool):
        return None
    return str(given.get("id")), given["approved"], _text(given, "reason")


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    return value[:_MAX_REASON] if isinstance(value, str) and value else None
