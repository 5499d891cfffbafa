"""The event that tells how a conversation was made to fit its model's context window."""

import operator
from typing import Literal

from pydantic import Field

from perdure.workflows.vocabulary.event_base import EventBase
from perdure.workflows.vocabulary.parts import Timing, ToolError, Usage, absent


class ContextCompacted(EventBase):
    """From now on, models are shown a shortened form of the older part of the conversation. Viewers keep all of it."""

    type: Literal["context.compacted"] = "context.compacted"
    #: The first of the events whose content is shortened.
    from_seq: int
    #: The last of them.
    to_seq: int
    #: Estimated tokens of the next request before it was shortened.
    tokens_before: int
    #: The same after.
    tokens_after: int
    #: `summarized`: a summary replaces these events' messages. `trimmed`: long tool results among them are cut to head and
    #: tail. `dropped`: no summary could be made, so they are left out.
    how: Literal["summarized", "trimmed", "dropped"]
    #: How many messages are shortened, counted from the beginning of the branch.
    messages: int
    #: Of these, counted from 0, those that stay word for word.
    pinned: tuple[int, ...] = Field(default=(), exclude_if=operator.not_)
    #: Bytes that each of these may have; longer ones are cut to head and tail.
    pinned_bytes: int = Field(default=0, exclude_if=operator.not_)
    #: With `trimmed`: characters that stay of each result's head, and as many of its tail.
    keep: int = Field(default=0, exclude_if=operator.not_)
    #: The model call that wrote the summary, as the trace has it.
    step_id: str | None = Field(default=None, exclude_if=absent)
    #: `provider/model`
    model: str | None = Field(default=None, exclude_if=absent)
    #: What models are shown in place of the messages.
    summary: str = Field(default="", exclude_if=operator.not_)
    #: Facts that are carried word for word from summary to summary.
    facts: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Facts for which there was no room.
    dropped_facts: int = Field(default=0, exclude_if=operator.not_)
    #: The last date that these messages told the model, as in `2026-03-01`.
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
