"""What callers ask of the session service, checked as far as a field alone can be. Unknown fields are refused: what this
version does not carry out is never ignored. The gateway takes these as the bodies of its requests.
"""

import hashlib
import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from perdure.temporal.media.data_uris import is_data_uri
from perdure.temporal.sessions import uploads
from perdure.temporal.sessions.content import canonical
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.ids import free_session_id
from perdure.workflows.vocabulary.parts import Data, File, Frozen, Id, Part, Text, is_reserved_data

MAX_TEXT: Final = 4_000_000
MAX_PARTS: Final = 256
MAX_OBJECT: Final = 32 * 1024
_MAX_ADDRESS: Final = 2048
_ADDRESS: Final = re.compile(r"https?://[^\s\x00-\x1f]+")
_MEDIA_TYPE: Final = r"^[A-Za-z0-9.+_-]{1,100}/[A-Za-z0-9.+_-]{1,100}$"
#: Characters of what goes with a score.
MAX_FEEDBACK: Final = 4_000
#: Of a tool call. No model writes as many; a person's are put away as the model's are.
MAX_ARGS: Final = 1024 * 1024


def _no_dots(value: str) -> str:
    # Both mean a folder to whatever resolves paths: browsers, proxies, blob stores.
    if value in (".", ".."):
        raise ValueError("cannot be '.' or '..'")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


def _not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    # `min_length` would also complain of a list whose only part is wrong.
    if not value:
        raise ValueError("is empty")
    return value


def _file_uri(value: str) -> str:
    if is_data_uri(value) or uploads.URI.fullmatch(value) is not None:
        return value
    if _ADDRESS.fullmatch(value) is None:
        raise ValueError("is neither the uri of an upload, nor a data: URI, nor an address of http or https")
    if len(value) > _MAX_ADDRESS:
        raise ValueError(f"is an address of {len(value)} characters; at most {_MAX_ADDRESS} may be")
    return value


def _not_reserved(value: str) -> str:
    # What bears such a name is the session's own word to its model.
    if is_reserved_data(value):
        raise ValueError(f"{value!r} is a name that only the session itself gives; choose another")
    return value


def _small(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return _at_most(MAX_OBJECT, value)


def _not_huge(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return _at_most(MAX_ARGS, value)


def _at_most(most: int, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    size = len(canonical(value))
    if size > most:
        raise ValueError(f"has {size} bytes of JSON; at most {most} may be")
    return value


SessionId = Annotated[Id, AfterValidator(_no_dots)]
SmallObject = Annotated[dict[str, JsonValue], AfterValidator(_small)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT), AfterValidator(_not_blank)]
Label = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]


class TextPart(Frozen):
    type: Literal["text"]
    text: LongText


class FilePart(Frozen):
    type: Literal["file"]
    #: The `uri` of an upload, a `data:` URI, or an address that begins with `http://` or `https://`.
    uri: Annotated[str, AfterValidator(_file_uri)]
    #: Needed for an address. For other files their content says what they are.
    media_type: Annotated[str, StringConstraints(pattern=_MEDIA_TYPE)] | None = None
    #: Left out: that of the upload, or the end of the address.
    name: Label | None = None

    @model_validator(mode="after")
    def _typed(self) -> Self:
        if self.media_type is None and _ADDRESS.fullmatch(self.uri) is not None:
            raise ValueError("give the media_type of the file at this address")
        return self


class DataPart(Frozen):
    type: Literal["data"]
    name: Annotated[Label, AfterValidator(_not_reserved)]
    value: JsonValue


UserPart = Annotated[TextPart | FilePart | DataPart, Field(discriminator="type")]


class EditMessageBody(Frozen):
    """A message's content: one of `text` and `parts`."""

    text: LongText | None = None
    parts: Annotated[tuple[UserPart, ...], Field(max_length=MAX_PARTS), AfterValidator(_not_empty)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.parts is None):
            raise ValueError("give either text or parts")
        return self

    def neutral_parts(self) -> tuple[Part, ...]:
        """The message's parts; files as they were given, see `message_files`."""
        if self.parts is None:
            return (Text(text=self.text or ""),)
        return tuple(_neutral(part) for part in self.parts)


class MessageBody(EditMessageBody):
    """A message: one of `text` and `parts`."""

    #: Made by the caller, so that sending again after a lost answer is not a second message.
    message_id: SessionId | None = None
    #: The role that answers this message, one of the models of the session's agent. Left out: the session's own.
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    #: What happens to it while a turn runs: it waits for its turn (`queue`), joins the turn before its next step (`steer`),
    #: stops the turn and is next (`interrupt`), or is refused (`reject`). Left out: as the session's agent says.
    busy: Busy | None = None


class TriggerBody(Frozen):
    """What a handler is triggered with, or what an event says."""

    #: By the names that the definition of the handler, or of the event, gives its inputs.
    inputs: SmallObject = {}
    #: Made by the caller, so that triggering again after a lost answer is not a second trigger. It may not be the id of a
    #: message.
    trigger_id: SessionId | None = None


class FirstMessage(MessageBody):
    """A message, or simply its text."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value


class CreateSession(Frozen):
    agent: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    inputs: SmallObject = {}
    #: Made by the caller, so that creating again after a lost answer is not a second session.
    session_id: Annotated[SessionId, AfterValidator(free_session_id)] | None = None
    message: FirstMessage | None = None
    user: Label | None = None
    #: What tools and the headers of MCP servers may know of the session. `timezone`, an IANA name, is its time zone.
    metadata: SmallObject = {}

    def sha256(self) -> str:
        """What tells the same create from another. A field left out and its default are the same."""
        return hashlib.sha256(canonical(self.model_dump(mode="json", exclude_defaults=True))).hexdigest()


class RunAgent(Frozen):
    """An agent that is run once for a result."""

    agent: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    inputs: SmallObject = {}
    #: What the agent is told. Left out: its inputs, a line for each.
    message: FirstMessage | None = None
    #: Made by the caller, so that asking again after a lost answer is not a second run.
    idempotency_key: Label | None = None
    user: Label | None = None
    #: What tools and the headers of MCP servers may know of the run. `timezone`, an IANA name, is its time zone.
    metadata: SmallObject = {}


#: One line.
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class ConfigureSession(Frozen):
    """What is left out stays as it is."""

    #: A role of the definition that the session runs.
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    #: In place of all that there was; `timezone` is the session's time zone.
    metadata: SmallObject | None = None
    #: Pins the session to the definition with this digest.
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    #: What the session is called in lists from now on.
    title: Title | None = None


class ForkSession(Frozen):
    turn_id: Id
    #: Left out: the agent of the session that is forked.
    agent: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    #: A role of the definition that the fork runs.
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    #: Takes the place of the turn's message, and is sent at once.
    text: LongText | None = None


class RewindSession(Frozen):
    """Goes back to a message (`message_id`), which may be replaced, or returns to a branch (`branch`)."""

    #: Made by the caller, so that sending again after a lost answer is not a second rewind.
    rewind_id: SessionId | None = None
    #: This message and all later ones leave. A user's message is sent again, or replaced by `text` or `parts`; an answer of
    #: the model is given again.
    message_id: Id | None = None
    #: The earlier branch to return to.
    branch: Annotated[str, StringConstraints(pattern=r"^b[1-9][0-9]{0,6}$")] | None = None
    text: LongText | None = None
    parts: Annotated[tuple[UserPart, ...], Field(max_length=MAX_PARTS), AfterValidator(_not_empty)] | None = None
    #: The role that answers, one of the models of the session's agent. Left out: the session's own.
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    #: Whether the calls that leave are taken back, by the `undo` of their tools. Left out: a person is asked, if there are
    #: any.
    undo: bool | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.message_id is None) == (self.branch is None):
            raise ValueError("give either message_id or branch")
        if self.text is not None and self.parts is not None:
            raise ValueError("give text or parts, not both")
        if self.branch is not None and (self.text is not None or self.parts is not None or self.model is not None):
            raise ValueError("text, parts and model only count with message_id")
        return self

    def neutral_parts(self) -> tuple[Part, ...] | None:
        """The parts of the message in other words; None: there are none."""
        if self.text is not None:
            return (Text(text=self.text),)
        return None if self.parts is None else tuple(_neutral(part) for part in self.parts)


class RetryTurn(Frozen):
    #: Made by the caller, so that sending again after a lost answer is not a second try.
    retry_id: SessionId | None = None
    #: Left out: the last turn, the only one that can be continued.
    turn_id: Id | None = None
    #: The role that answers, one of the models of the session's agent. Left out: the role that the turn's message asked for.
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class FeedbackBody(Frozen):
    """What somebody thinks of a turn; the latest counts."""

    #: A turn of the session, over or not.
    turn_id: Id
    #: Any finite number; the scale is yours. The pages give 1 and -1, and 0 takes back what was given.
    score: float = Field(strict=True, allow_inf_nan=False)
    #: Why.
    text: (
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_FEEDBACK), AfterValidator(_not_blank)] | None
    ) = None


class AnswerBody(Frozen):
    question_id: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    #: Of an approval; false for any other question means that no result will come.
    approved: bool | None = Field(default=None, strict=True)
    #: What a client tool gives back: any JSON that fits its output schema.
    result: JsonValue = None
    #: Told to the model when something is not allowed.
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = None
    #: In place of the arguments that the model gave.
    args: Annotated[dict[str, JsonValue], AfterValidator(_not_huge)] | None = None
    #: Allows all further calls of this tool in this session, or those with the same arguments, as the question says.
    remember: bool | None = Field(default=None, strict=True)


def _neutral(part: TextPart | FilePart | DataPart) -> Part:
    match part:
        case TextPart():
            return Text(text=part.text)
        case FilePart():
            return File(uri=part.uri, media_type=(part.media_type or "").lower(), name=part.name or "")
        case DataPart():
            return Data(name=part.name, value=part.value)
