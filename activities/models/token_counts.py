"""Token counts as OpenAI and the servers that speak its APIs report them. Pure and total: what is no number counts as 0.

Rule 1: `Usage.input_tokens` holds everything that was read, whatever the server counts apart: proxies of Anthropic leave
cached tokens out of the prompt.
Rule 2: `Usage.output_tokens` holds everything that was written, hidden reasoning included. xAI and Gemini's OpenAI endpoint
leave it out of the completion; only their total shows it.
"""

from collections.abc import Mapping
from typing import Any, Final

from perdure.workflows.vocabulary.parts import Usage

# The places of each number, in the order in which they are looked at: a field, or a field of an object.
_INPUT: Final = ("prompt_tokens", "input_tokens", "prompt_eval_count", "promptTokens", "inputTokens")
_OUTPUT: Final = (
    *("completion_tokens", "output_tokens", "eval_count", "generated_tokens", "completionTokens", "outputTokens"),
)
_TOTAL: Final = ("total_tokens", "totalTokens")
_READ: Final = ("prompt_tokens_details", "input_tokens_details", "")
_WRITTEN: Final = ("completion_tokens_details", "output_tokens_details", "")
#: `prompt_cache_hit_tokens`: DeepSeek. `cached_tokens` beside the prompt: Kimi. `cache_read_…`: proxies of Anthropic.
_CACHED: Final = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cache_read_tokens")
_CACHE_WRITE: Final = (
    *("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens", "cache_write_input_tokens"),
)
_REASONING: Final = ("reasoning_tokens", "thinking_tokens", "reasoningTokens")
#: More than any model takes or gives.
_MOST: Final = 10**9


def counts(usage: object) -> Usage | None:
    """The counts in a usage object. None: it holds none."""
    if not isinstance(usage, Mapping):
        return None
    read, written = _first(usage, _INPUT), _first(usage, _OUTPUT)
    cached, cache_write = _inside(usage, _READ, _CACHED), _inside(usage, _READ, _CACHE_WRITE)
    cache_write = cache_write or _by_lifetime(usage)
    reasoning, total = _inside(usage, _WRITTEN, _REASONING), _first(usage, _TOTAL)
    apart = cached + cache_write
    if apart > read or (apart and total == read + apart + written):
        read += apart
    # What is not reported at all is the rest of the total.
    if not _reports(usage, _INPUT):
        read = max(total - written, read)
    if not _reports(usage, _OUTPUT):
        written = max(total - read, 0)
    hidden = max(total - read - written, 0)
    if hidden == 0 and reasoning > written:
        hidden = reasoning
    found = Usage(
        input_tokens=read,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
        output_tokens=written + hidden,
        reasoning_tokens=max(reasoning, hidden),
    )
    return found if found != Usage() else None


def in_chunk(chunk: Mapping[str, Any]) -> Usage | None:
    """The counts in a chunk of a stream, or in a whole response of Chat Completions, wherever they stand."""
    places = [chunk, *_objects(chunk.get("choices")), chunk.get("x_groq")]
    found = [counts(place.get("usage")) for place in places if isinstance(place, Mapping)]
    return next((usage for usage in found if usage is not None), None)


def timed(timings: object) -> Usage | None:
    """The counts in the `timings` of llama.cpp, which leave out of the prompt what its cache held."""
    if not isinstance(timings, Mapping):
        return None
    cached = number(timings.get("cache_n"))
    read = number(timings.get("prompt_n")) + cached
    found = Usage(input_tokens=read, cached_tokens=cached, output_tokens=number(timings.get("predicted_n")))
    return found if found != Usage() else None


def merged(first: Usage, second: Usage) -> Usage:
    """What two reports on one answer say together. Counts only grow, and a report may leave some out."""
    both = {name: max(getattr(first, name), getattr(second, name)) for name in Usage.model_fields}
    return Usage(**both)


def number(value: object) -> int:
    """`value` as a count of tokens. 0: it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    # A comparison, for neither NaN nor a huge integer can be converted.
    return int(value) if 0 < value <= _MOST else 0


def _first(found: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := number(found.get(name)))), 0)


def _reports(usage: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return any(usage.get(name) is not None for name in names)


def _inside(usage: Mapping[str, Any], places: tuple[str, ...], names: tuple[str, ...]) -> int:
    objects = (usage if place == "" else usage.get(place) for place in places)
    return next((count for found in objects if isinstance(found, Mapping) and (count := _first(found, names))), 0)


def _by_lifetime(usage: Mapping[str, Any]) -> int:
    """What was written to the cache, of a server that reports it by lifetime alone. Anthropic reports the sum, too."""
    objects = (usage if place == "" else usage.get(place) for place in _READ)
    found = (each.get("cache_creation") for each in objects if isinstance(each, Mapping))
    return next((sum(map(number, lifetimes.values())) for lifetimes in found if isinstance(lifetimes, Mapping)), 0)


def _objects(choices: object) -> list[Any]:
    return choices if isinstance(choices, list) else []
