"""Token counts of Anthropic Messages, wherever a server puts them. Pure, and total.

Rule: counts are totals so far, so the highest one holds. A zero that follows does not take a number back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
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
    counts: dict[str, int] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        """Reads what an event says of usage."""
        for usage in _found(event):
            parts = usage.get("cache_creation")
            lifetimes = parts.values() if isinstance(parts, dict) else ()
            details = usage.get("output_tokens_details")
            self._at_least("input", *(usage.get(name) for name in _INPUT))
            self._at_least("output", *(usage.get(name) for name in _OUTPUT))
            self._at_least("read", *(usage.get(name) for name in _READ))
            # The one number, or one for each lifetime (`ephemeral_5m_input_tokens`, `ephemeral_1h_input_tokens`).
            self._at_least("written", *(usage.get(name) for name in _WRITTEN), sum(map(_count, lifetimes)))
            self._at_least("thinking", details.get("thinking_tokens") if isinstance(details, dict) else None)

    def _at_least(self, name: str, *told: Any) -> None:
        self.counts[name] = max(self.counts.get(name, 0), *map(_count, told), 0)

    def whole(self) -> Usage:
        count = self.counts.get
        read, written = count("read", 0), count("written", 0)
        return Usage(
            input_tokens=count("input", 0) + read + written,
            cached_tokens=read,
            cache_write_tokens=written,
            output_tokens=count("output", 0),
            reasoning_tokens=count("thinking", 0),
        )


def _found(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """In the event, in the message or the delta that it holds, and where Amazon Bedrock puts its own counts."""
    for holder in (event, event.get("message"), event.get("delta")):
        if isinstance(holder, dict):
            for name in ("usage", "amazon-bedrock-invocationMetrics"):
                usage = holder.get(name)
                if isinstance(usage, dict):
                    yield usage


def _count(told: Any) -> int:
    if isinstance(told, float) and told.is_integer():
        told = int(told)
    return told if type(told) is int and 0 <= told <= _MOST else 0
