"""What a model wire does: it builds a request from neutral messages (pure), and streams the answer as neutral deltas.

A wire is a module with a function `connect(provider, environment)` that returns a `Wire` for this provider; the names in
`ProviderInfo.wire` are such modules. It may raise nothing but `ModelFailed`.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Part, StopReason, Usage

DeltaKind = Literal["text", "reasoning", "tool_input"]


@dataclass(frozen=True, slots=True)
class Delta:
    """A fragment of the part with index `part`. Indexes count from 0 in the order in which parts begin."""

    part: int
    kind: DeltaKind
    text: str
    #: Set on the first `tool_input` delta of a part, whose text may be empty.
    tool_name: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The provider accepted the request. `usage` holds what it already says of the input."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. Its tool calls have the ids `f"{step_id}.c{n}"`, n from 1."""

    parts: tuple[Part, ...]
    model: str
    usage: Usage
    stop: StopReason
    #: The provider's own word for an end that `stop` has no name for.
    stop_raw: str | None = None
    #: What of the request was left out or renamed because the server refused it, in words for people.
    adapted: tuple[str, ...] = ()
    #: Pieces of the stream whose shape the decoder does not know, and which it passed over.
    skipped: int = 0


class Wire(Protocol):
    #: Tag of `Native` blocks: `anthropic.messages`, `openai.responses`, `openai.chat`, `gemini.content`, `demo`.
    api: str

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        """The JSON body to send. Pure: the same input gives the same bytes."""
        ...

    def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        """Sends `request`. Yields deltas and then exactly one `Answer`, once the stream's terminal event came.

        Raises `ModelFailed`. Closing the iterator early closes the provider's connection at once.
        """
        ...

    async def aclose(self) -> None:
        """Closes its connections."""
