"""How much of a conversation a model is shown, and how the rest is summarised."""

import operator
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import Field

from perdure.workflows.definition.model import ModelDefinition
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen, absent

#: How much of a tool result a model is shown by default.
TOOL_OUTPUT_TOKENS = 16_000
COMPACT_AT: Final = 0.8
KEEP_RECENT: Final = 0.3


class ContextPolicy(Frozen):
    """How much of a conversation a model is shown."""

    compact_at: float = Field(
        default=COMPACT_AT,
        ge=0.1,
        le=0.95,
        exclude_if=lambda value: value == COMPACT_AT,
        description="The older part of a conversation is summarised once a request fills this share of what the model's "
        f"context window holds beside the answer. Default: {COMPACT_AT}.",
    )
    keep_recent: float = Field(
        default=KEEP_RECENT,
        ge=0,
        le=0.9,
        exclude_if=lambda value: value == KEEP_RECENT,
        description="The share of the same room that the recent part, which stays word for word, may fill; less than "
        f"`compact_at`. Default: {KEEP_RECENT}.",
    )
    summarizer: str | None = Field(
        max_length=64,
        default=None,
        exclude_if=absent,
        description="The role, one of `models`, that writes summaries. Without it, the role that answers writes them.",
    )
    keep: str = Field(
        default="",
        max_length=2_000,
        exclude_if=operator.not_,
        description="What a summary has to keep word for word, as in `order numbers and delivery addresses`.",
    )
    tool_output_tokens: int = Field(
        default=TOOL_OUTPUT_TOKENS,
        ge=100,
        le=1_000_000,
        strict=True,
        description="About how many tokens of one tool result the model is shown, head and tail; people and the trace see "
        f"the whole. Default: {TOOL_OUTPUT_TOKENS}.",
    )
    date: bool = Field(
        default=True,
        exclude_if=operator.truth,
        description="Whether the model is told the date: on which day the session began, at the end of the instructions, "
        "and each later day before its first message. Where the instructions name `turn.date` themselves, they alone tell "
        "it. Default: true.",
    )

    def faults(self, models: Mapping[str, ModelDefinition]) -> Iterator[tuple[str, str]]:
        """The fields that contradict each other or a definition with these models, each with what is wrong."""
        if self.keep_recent >= self.compact_at:
            yield (
                "keep_recent",
                f"{self.keep_recent} is not less than compact_at, {self.compact_at}, so a summary would make no room",
            )
        if self.summarizer is not None and self.summarizer not in models:
            near = did_you_mean(self.summarizer, models) or f"; there are: {', '.join(models)}"
            yield "summarizer", f"{self.summarizer!r} is not one of models{near}"
