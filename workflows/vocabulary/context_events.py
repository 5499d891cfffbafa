"""The event that tells how a conversation was made to fit its model's context window."""

import operator
from typing import Literal

from pydantic import Field

from perdure.workflows.vocabulary.event_base import EventBase
from perdure.workflows.vocabulary.parts import Timing, ToolError, Usage, absent


class ContextCompacted(EventBase):
    """Models are shown the older part of the conversation in short from now on. Viewers keep all of it."""

    type: Literal["context.compacted"] = "context.compacted"
    #: The first of the events whose content is shown in short.
    from_seq: int
    #: The last of them.
    to_seq: int
    #: Tokens of the next request without it, as far as they can be estimated.
    tokens_before: int
    #: The same with it.
    tokens_after: int
    #: `summarized`: a summary stands in for them. `trimmed`: long results of tools give way to their head and tail.
    #: `dropped`: no summary could be made, so they are left out.
    how: Literal["summarized", "trimmed", "dropped"]
    #: Messages of the branch, from its beginning, that this is about.
    messages: int
    #: Of these, counted from 0, those that stay word for word.
    pinned: tuple[int, ...] = Field(default=(), exclude_if=operator.not_)
    #: Bytes that each of these may have; longer ones are shown by their head and tail.
    pinned_bytes: int = Field(default=0, exclude_if=operator.not_)
    #: Characters that are left of the head and of the tail of a result.
    keep: int = Field(default=0, exclude_if=operator.not_)
    #: The model call that wrote the summary, as the trace has it.
    step_id: str | None = Field(default=None, exclude_if=absent)
    #: `provider/model`
    model: str | None = Field(default=None, exclude_if=absent)
    #: What models are told in place of the messages.
    summary: str = Field(default="", exclude_if=operator.not_)
    #: What is carried word for word from summary to summary.
    facts: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Facts that found no room among them.
    dropped_facts: int = Field(default=0, exclude_if=operator.not_)
    #: The last day that the messages told the model.
    day: str = Field(default="", exclude_if=operator.not_)
    #: What the summary used and cost; null: no model was asked.
    usage: Usage | None = Field(default=None, exclude_if=absent)
    #: Dollars; with `usage`, null when a price is unknown.
    cost_usd: float | None = None
    #: Of the model call that wrote the summary.
    timing: Timing | None = Field(default=None, exclude_if=absent)
    #: The attempt that wrote the summary, from 1.
    attempt: int = Field(default=0, exclude_if=operator.not_)
    #: Of the JSON body that was sent to the provider for the summary.
    request_sha256: str | None = Field(default=None, exclude_if=absent)
    #: Why there is no summary.
    error: ToolError | None = Field(default=None, exclude_if=absent)
