"""What AG-UI's clients send: `RunAgentInput`, protocol 1.0. Names are the protocol's.

Rule: the session has the conversation, so of the messages only the user's last one and results of client tools are read.
What is not read may hold anything.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from perdure.temporal.sessions.requests import SessionId

_Given = ConfigDict(frozen=True, extra="ignore")


class AgUiSource(BaseModel):
    """Where the content of a part is."""

    model_config = _Given

    #: `data`: `value` is Base64. `url`: an address. `file`: the `uri` of an upload.
    type: Literal["data", "url", "file"]
    value: str
    mimeType: str | None = None


class AgUiPart(BaseModel):
    """A part of a message."""

    model_config = _Given

    type: Literal["text", "image", "audio", "video", "document"]
    #: Of a text.
    text: str | None = None
    #: Of any other part.
    source: AgUiSource | None = None


class AgUiMessage(BaseModel):
    """A message as the client has it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    role: Literal["developer", "system", "user", "assistant", "tool", "reasoning", "activity"]
    #: A text, or parts of a user's message or of a result.
    content: JsonValue = None
    #: The call that a result answers.
    toolCallId: str | None = None
    #: The client could not run the tool, in words.
    error: str | None = None

    def as_sent(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


class AgUiTool(BaseModel):
    """A tool that the client runs."""

    model_config = _Given

    name: str


class AgUiResume(BaseModel):
    """The answer to an interrupt."""

    model_config = _Given

    #: The interrupt's `id`.
    interruptId: Annotated[str, StringConstraints(min_length=1, max_length=600)]
    #: `cancelled`: nobody allows it, or gives a result.
    status: Literal["resolved", "cancelled"]
    #: As the interrupt's `responseSchema` says.
    payload: JsonValue = None


class RunAgentInput(BaseModel):
    """A run of an agent, as AG-UI's clients ask for it."""

    model_config = _Given

    #: The session's id.
    threadId: SessionId
    #: Made by the client.
    runId: SessionId
    #: The run that this one goes on from, as its client sees it.
    parentRunId: str | None = None
    messages: tuple[AgUiMessage, ...] = Field(default=(), max_length=100_000)
    #: Tools that the client runs. Those that the agent does not define as client tools are ignored.
    tools: tuple[AgUiTool, ...] = ()
    #: Ignored.
    context: tuple[JsonValue, ...] = ()
    #: The session's own, as it was sent. Anything else is ignored.
    state: JsonValue = None
    #: `inputs` are those of the session, where the run begins it.
    forwardedProps: JsonValue = None
    #: Answers to open interrupts.
    resume: tuple[AgUiResume, ...] = ()
