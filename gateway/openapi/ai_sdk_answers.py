"""What the routes of the AI SDK answer."""

from typing import Any, Final, Literal

from pydantic import JsonValue

from perdure.workflows.vocabulary.parts import Frozen

#: The content of an answer that streams chunks of the AI SDK.
CHUNKS: Final[dict[str, Any]] = {"text/event-stream": {"schema": {"type": "string"}}}


class ChatStopped(Frozen):
    #: The turn is told to stop, or none runs.
    success: Literal[True] = True


class ChatMessage(Frozen):
    """A message as the AI SDK's clients keep it (`UIMessage`)."""

    #: Of a user's message as its client made it, of an answer as its stream names it.
    id: str
    role: Literal["user", "assistant"]
    #: `createdAt` and `turnId`; of an answer also `sessionId`, `reason`, `usage`, `costUsd`, `error` and `result`, as far as
    #: there is something to say.
    metadata: dict[str, JsonValue]
    #: As the AI SDK has them: `text`, `reasoning`, `dynamic-tool`, `file`, `source-url`, `step-start`, `data-…`.
    parts: tuple[dict[str, JsonValue], ...]
