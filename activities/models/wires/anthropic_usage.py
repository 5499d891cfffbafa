"""Token counts of Anthropic Messages, wherever a server puts them. Pure, and total.

Rule 1: counts are totals so far, so the highest one holds. A zero that follows does not take a number back.
Rule 2: what was read counts as one number: uncached, read from the cache and written to it. A server that splits its first
count later has not read more. What a report leaves out is as it was before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from perdure.workflows.vocabulary.parts import Usage

_INPUT: Final = ("input_tokens", "inputTokenCount", "prompt_tokens")
_OUTPUT: Final = ("output_tokens", "outputTokenCount", "completion_tokens")
_READ: Final = ("cache_read_input_tokens", "cacheReadInputTokenCount")
_WRITTEN: Final = ("cache_creation_input_tokens", "cacheWriteInputTokenCount")
#: No server counts as many tokens in one answer.
_MOST: Final = 10**12


@dataclass(slots=True)
class ArrivingUsage:
    #: Input tokens: uncached, read from the cache, written to it. Of the report with the most of them.
    read: tuple[int, int, int] = (0, 0, 0)
    output: int = 0
    thinking: int = 0

    def take(self, event: dict[str, Any]) -> None:
        """Reads what an event says of usage."""
        for usage in _found(event):
            parts = usage.get("cache_creation")
            lifetimes = [_count(count) or 0 for count in parts.values()] if isinstance(parts, dict) else []
            details = usage.get("output_tokens_details")
            uncached, cached, written = self.read
            # The one number, or one for each lifetime (`ephemeral_5m_input_tokens`, `ephemeral_1h_input_tokens`).
            cached, written = _told(usage, _READ) or cached, max(_told(usage, _WRITTEN) or 0, sum(lifetimes)) or written
            told = _told(usage, _INPUT)
            # A zero beside more of the cache than before is a split. Any other zero says nothing.
            if told or (told == 0 and cached + written > sum(self.read[1:])):
                uncached = told
            self.read = max((uncached, cached, written), self.read, key=sum)
            self.output = max(self.output, _told(usage, _OUTPUT) or 0)
            thinking = _count(details.get("thinking_tokens")) if isinstance(details, dict) else None
            self.thinking = max(self.thinking, thinking or 0)

    def whole(self) -> Usage:
        _, cached, written = self.read
        return Usage(
            input_tokens=sum(self.read),
            cached_tokens=cached,
            cache_write_tokens=written,
            output_tokens=self.output,
            reasoning_tokens=self.thinking,
        )


def _found(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """In the event, in the message or the delta that it holds, and where Amazon Bedrock puts its own counts."""
    for holder in (event, event.get("message"), event.get("delta")):
        if isinstance(holder, dict):
            for name in ("usage", "amazon-bedrock-invocationMetrics"):
                usage = holder.get(name)
                if isinstance(usage, dict):
                    yield usage


def _told(usage: dict[str, Any], names: tuple[str, ...]) -> int | None:
    """The highest count under these names. None: there is none."""
    counts = (_count(usage.get(name)) for name in names)
    return max((count for count in counts if count is not None), default=None)


def _count(told: Any) -> int | None:
    if isinstance(told, float) and told.is_integer():
        told = int(told)
    return told if type(told) is int and 0 <= told <= _MOST else None
