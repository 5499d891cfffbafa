"""Providers' words for how an answer ended, in one table, and what follows for its calls. Pure.

Rule 1: the words of all wires are one vocabulary, in any case, for compatible servers borrow each other's.
Rule 2: only a word that is known as good ends an answer well. A word that means cut, filtered or refused applies to the whole
answer, complete calls included. One that means that the server gave up is a failure, which is retried.
Rule 3: under an unknown word, calls count if all of them are complete. Any other answer ends as `other`.
Rule 4: a call is complete if its arguments are a JSON object. Arguments of which nothing arrived are `{}` only for a tool
without parameters, and only under a good word.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perdure.activities.models.failures import AnswerAborted
from perdure.workflows.vocabulary.parts import Part, StopReason, ToolCall, ToolSpec

_WORDS: Final[dict[StopReason, str]] = {
    "end": "complete completed done end end_of_text end_of_turn end_turn endoftext eos eos_token eot_id finish finished "
    "im_end normal stop stopped success",
    "stop_sequence": "stop_sequence stop_str stop_token",
    "tool_calls": "function_call function_calls tool_call tool_calls tool_use tool_uses",
    "max_tokens": "incomplete length max_completion_tokens max_length max_new_tokens max_output_tokens max_tokens "
    "output_limit token_limit truncated",
    "context_window": "context_length context_length_exceeded context_window context_window_exceeded max_context_length "
    "model_context_window_exceeded model_length",
    "refusal": "refusal refused",
    "content_filter": "blocked blocklist content_blocked content_filter content_filtered content_policy "
    "content_policy_violation filtered guardrail guardrail_intervened image_safety model_armor moderation policy "
    "prohibited_content recitation safety sensitive spii "
    # Of Gemini.
    "image_prohibited_content image_recitation jailbreak language",
    "pause": "continuation pause pause_turn paused",
}
_STOPS: Final[dict[str, StopReason]] = {word: stop for stop, words in _WORDS.items() for word in words.split()}
#: The server gave the answer up. Another attempt may succeed.
_GIVEN_UP: Final = {
    *("abort", "aborted", "cancel", "canceled", "cancelled", "connection_error", "engine_error", "error", "failed"),
    *("failure", "insufficient_system_resource", "insufficient_system_resources", "internal_error", "interrupted"),
    *("internal_server_error", "malformed_function_call", "network_error", "overloaded", "preempted", "server_error"),
    *("service_unavailable", "timed_out", "timeout", "unexpected_tool_call"),
    # Of Gemini.
    *("malformed_response", "missing_thought_signature", "too_many_tool_calls"),
}
#: The answer goes on, or nothing is said.
_SAYING_NOTHING: Final = {
    "",
    "continue",
    "generating",
    "in_progress",
    "nil",
    "none",
    "null",
    "pending",
    "undefined",
    "unfinished",
}
_GOOD: Final = frozenset(["end", "stop_sequence", "tool_calls"])
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Ending:
    parts: tuple[Part, ...]
    stop: StopReason
    #: The provider's word, if `stop` has no name for it.
    word: str | None = None


def ending(word: str, parts: Iterable[Part], tools: Iterable[ToolSpec], *, whole: bool = True) -> Ending:
    """How an answer of `parts` ended, whose provider said `word`, with `tools` on offer. `whole=False`: it also said that the
    answer is not whole. Raises `AnswerAborted` where it gave the answer up."""
    stop = _named(word)
    if stop is None and _plain(word) in _GIVEN_UP:
        raise AnswerAborted(word[:_LONGEST])
    if not whole and (stop is None or stop in _GOOD):
        # The reason does not matter: the provider said explicitly that the answer is not complete.
        return Ending(tuple(parts), "other", word[:_LONGEST] or None)
    bare = {tool.name for tool in tools if not tool.input.get("properties")} if stop in _GOOD else set()
    read = tuple(_read(part, bare) if isinstance(part, ToolCall) else part for part in parts)
    calls = [part for part in read if isinstance(part, ToolCall)]
    if calls and (stop in _GOOD or (stop is None and all(call.args_raw is None for call in calls))):
        return Ending(read, "tool_calls")
    return Ending(read, stop) if stop else Ending(read, "other", word[:_LONGEST] or None)


def is_good(word: str) -> bool:
    """Whether the provider's `word` is known to end an answer well."""
    return _named(word) in _GOOD


def is_pause(word: str) -> bool:
    """Whether the provider's `word` means that it goes on once it gets its answer back."""
    return _named(word) == "pause"


def is_bad(word: str) -> bool:
    """Whether the provider's `word` is known to mean that an answer is incomplete, or was given up."""
    return _plain(word) in _GIVEN_UP or _named(word) not in (None, *_GOOD)


def says_nothing(word: str) -> bool:
    """Whether the provider's `word` says no more than that the answer has not ended."""
    return _plain(word) in _SAYING_NOTHING


def _named(word: str) -> StopReason | None:
    return _STOPS.get(_plain(word))


def _plain(word: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower()).strip("_")
    # Some servers write the members of an enumeration with their full names.
    return plain.removeprefix("finish_reason_")


def _read(call: ToolCall, bare: set[str]) -> ToolCall:
    """`call`, where nothing came of its arguments, with those that a tool without parameters takes."""
    blank = call.args_raw is not None and not call.args_raw.strip()
    return call.model_copy(update={"args_raw": None}) if blank and call.name in bare else call
