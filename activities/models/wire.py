"""What every model wire does: build a request from neutral messages (pure), stream its answer as neutral deltas.

A stream is whole only when its terminal event came: `stream` yields deltas and then exactly one `Answer`, or raises
an `ApplicationError` from `perdure.activities.models.failures`.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from perdure.workflows.protocol.commands import Prompt
from perdure.workflows.vocabulary.parts import Message, Part, StopReason, Usage

DeltaKind = Literal["text", "reasoning", "tool_input"]


@dataclass(frozen=True, slots=True)
class Delta:
    """A fragment of the part with index `part` (indexes grow from 0 in the order in which parts begin)."""

    part: int
    kind: DeltaKind
    text: str
    #: Set on the first `tool_input` delta of a part, whose text may be empty.
    tool_name: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The provider accepted the request; `usage` holds what it already says of the input."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. Tool calls bear ids `f"{step_id}.c{n}"`, n from 1."""

    parts: tuple[Part, ...]
    model: str
    usage: Usage
    stop: StopReason
    #: The provider's own word for an end that `stop` has no name for.
    stop_raw: str | None = None


class Wire(Protocol):
    #: Tag of `Native` blocks: `anthropic.messages`, `openai.responses`, `openai.chat`, `demo`.
    api: str

    def request(self, prompt: Prompt, messages: tuple[Message, ...]) -> dict[str, JsonValue]:
        """The JSON body that is sent. Pure: the same input gives the same bytes."""
        ...

    def stream(
        self, request: dict[str, JsonValue], prompt: Prompt, step_id: str
    ) -> AsyncGenerator[Started | Delta | Answer, None]:
        """Sends `request`; closing the iterator early closes the provider's connection at once."""
        ...
