"""Words for people at a terminal. Pure.

Rule: what users, models and tools wrote is shown without control characters: a terminal would obey them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

#: All but line feed and tab; also those that turn the direction of writing.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """`text` that a terminal only shows."""
    return _CONTROL.sub("", text)


def one_line(text: str, most: int = 100) -> str:
    """The beginning of `text` on one line, at most `most` characters."""
    line = " ".join(plain(text[: most * 8]).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def value(found: Any, most: int = 100) -> str:
    """Any JSON value on one line; text without quotes."""
    return one_line(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False), most)


def arguments(args: Mapping[str, Any] | None, most: int = 80) -> str:
    """A tool call's arguments as they would stand between brackets."""
    return one_line(
        ", ".join(f"{name}={json.dumps(one, ensure_ascii=False)}" for name, one in (args or {}).items()), most
    )


def result(part: Mapping[str, Any], most: int = 100) -> str:
    """A tool's result, or its failure in words, on one line."""
    output = part.get("output")
    if part.get("is_error") and isinstance(output, dict):
        return one_line(f"{output.get('type')}: {output.get('message')}", most)
    return value(output, most)


def dollars(cost: float | None) -> str:
    return "cost unknown" if cost is None else f"${cost:.4f}"


def duration(milliseconds: float | None) -> str:
    """`840 ms`, `1.24 s`, `3 min 5 s`."""
    if milliseconds is None:
        return "?"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def tokens(usage: Mapping[str, int]) -> str:
    """`1,234 in (1,000 = 81 % cached, 200 written to the cache), 56 out (10 reasoning), estimated`."""

    def shares(**words: str) -> str:
        told = [f"{usage[name]:,} {word}" for name, word in words.items() if usage.get(name)]
        return f" ({', '.join(told)})" if told else ""

    share = round(100 * usage.get("cached_tokens", 0) / max(usage.get("input_tokens", 0), 1))
    read = shares(cached_tokens=f"= {share} % cached", cache_write_tokens="written to the cache")
    written = shares(reasoning_tokens="reasoning")
    guessed = ", estimated" if usage.get("estimated") else ""
    return f"{usage.get('input_tokens', 0):,} in{read}, {usage.get('output_tokens', 0):,} out{written}{guessed}"
