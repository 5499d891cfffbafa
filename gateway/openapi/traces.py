"""The trace of a session, as a record for the schema: the route encodes it by hand."""

import operator
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.parts import (
    Blocked,
    Frozen,
    Message,
    StopReason,
    Timing,
    ToolResult,
    ToolSpec,
    Usage,
    absent,
)
from perdure.workflows.vocabulary.questions import By


class QuestionTrace(Frozen):
    """What was asked about a call, and how it was settled."""

    question_id: str
    kind: Literal["approval", "input"]
    asked_at: datetime
    prompt: str | None = Field(default=None, exclude_if=absent)
    expires_at: datetime | None = Field(default=None, exclude_if=absent)
    #: Absent while the question is open.
    resolved_at: datetime | None = Field(default=None, exclude_if=absent)
    approved: bool | None = Field(default=None, exclude_if=absent)
    reason: str | None = Field(default=None, exclude_if=absent)
    #: Who answered.
    by: By | None = Field(default=None, exclude_if=absent)
    #: The answer to an input question.
    value: JsonValue = Field(default=None, exclude_if=absent)


class CallTrace(Frozen):
    """A tool call of a step."""

    call_id: str
    name: str
    #: What the tool was called with; null until it starts.
    args: dict[str, JsonValue] | None
    started_at: datetime | None
    duration_ms: float | None
    attempts: int | None
    result: ToolResult | None
    #: The session of the sub-agent that answers the call.
    session_id: str | None = Field(default=None, exclude_if=absent)
    questions: tuple[QuestionTrace, ...] | None = Field(default=None, exclude_if=absent)
    #: The tool held up others on its worker.
    blocked: Blocked | None = Field(default=None, exclude_if=absent)


class LeftOutShown(Frozen):
    """What a provider had declined, and later requests do not hold any more."""

    turn_id: str
    #: The step whose answer was declined.
    step_id: str
    #: Calls whose results give way to a note; absent where the whole exchange is left out.
    calls: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)


class PromptShown(Frozen):
    """What the model was told."""

    system: str
    examples: tuple[Message, ...]
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    #: JSON Schema that the final answer has to keep to; absent where it is text.
    output: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    #: Messages at the beginning of the conversation that are not among `messages`: a summary stands for them.
    folded: int = Field(default=0, exclude_if=operator.not_)
    #: Ids of those of `messages` whose long results are given in short.
    shortened: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: What of the conversation is not given, because a provider declined it.
    left_out: tuple[LeftOutShown, ...] = Field(default=(), exclude_if=operator.not_)


class TriedModel(Frozen):
    """A model that was asked before and gave no answer."""

    #: `provider/model`
    model: str
    #: As in `model.switched`.
    reason: str
    message: str
    attempts: int
    #: Dollars, which are in the step's.
    cost_usd: float | None


class StepTrace(Frozen):
    """A step: what the model was told, what it answered, what its tools did."""

    step_id: str
    turn_id: str
    #: `provider/model`
    model: str
    #: The role, a key of the definition's `models`.
    role: str
    #: `compact`: it summarised the older part of the conversation, beside the turns; its answer is the summary. `generate`: a
    #: handler asked for a value.
    purpose: Literal["answer", "compact", "generate"] = Field(
        default="answer", exclude_if=lambda value: value == "answer"
    )
    #: The block of a handler that the step belongs to.
    block: Block | None = Field(default=None, exclude_if=absent)
    #: sha256 of the definition.
    digest: str
    status: Literal["running", "finished"]
    started_at: datetime | None
    finished_at: datetime | None
    #: Null where the session no longer keeps the definition that the step ran with, and with `prompts=false`.
    prompt: PromptShown | None
    #: The body for the provider, as today's code builds it.
    request: JsonValue
    #: sha256 of the body that was sent.
    request_sha256: str | None
    #: Whether `request` is what was sent; null where that cannot be said.
    request_matches: bool | None
    message: Message | None
    stop: StopReason | None
    attempt: int | None
    usage: Usage | None
    #: Dollars.
    cost_usd: float | None
    timing: Timing | None
    #: The provider's own word for an end that `stop` has no name for.
    stop_raw: str | None = Field(default=None, exclude_if=absent)
    #: What of the request was left out or renamed because its server refused it, in words.
    adapted: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Pieces of the answer whose shape was not known, and which were passed over.
    skipped: int = Field(default=0, exclude_if=operator.not_)
    #: Why the answer is not of the form that the definition asks for, in words.
    misfit: str | None = Field(default=None, exclude_if=absent)
    #: The models of the route that gave no answer, in order.
    tried: tuple[TriedModel, ...] = Field(default=(), exclude_if=operator.not_)
    tools: tuple[CallTrace, ...]


class Trace(Frozen):
    steps: tuple[StepTrace, ...]
    #: For `after` of the next page; null on the last, and where `before` was given.
    next_cursor: int | None
    #: For `before` of the page that precedes this one; absent on the first, and where `before` was not given.
    previous_cursor: int | None = Field(default=None, exclude_if=absent)
