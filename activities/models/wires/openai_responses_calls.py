"""Which complete items of an OpenAI Responses answer are one and the same. Pure.

Servers give a call up to four times: announced, in fragments, complete, and in the list that ends the answer. Some leave the
arguments out of one of these, or write `{}` there, or change the item's id.

Rule 1: two calls are one if they say the same. One that says nothing, or only the beginning, is the other again if both go
by one id. Calls that differ are two, whatever their ids.
Rule 2: of two that are one, the one that says more counts.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.activities.models.wires.openai_responses_items import Item, text_of


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two complete items say the same, so that one may be the other again."""
    if one.get("type") != "function_call":
        return text_of(one) == text_of(other)
    known = _known(one, other)
    if name_in(one) != name_in(other) and not (known and "" in (name_in(one), name_in(other))):
        return False
    if call_id_in(one) != call_id_in(other) and not (known and "" in (call_id_in(one), call_id_in(other))):
        return False
    return agree(text_of(one), text_of(other), known=known)


def agree(written: str, again: str, *, known: bool) -> bool:
    """Whether two places give the arguments of one call. `known`: both go by one id."""
    if not written.strip() or not again.strip():
        return True
    if known and (_says_nothing(written) or _says_nothing(again)):
        return True
    if known and (_begins(written, again) or _begins(again, written)):
        return True
    return written == again or parse_arguments(written) == parse_arguments(again)


def says_more(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether `one` says what `other`, which is the same item, leaves out."""
    if one.get("type") != "function_call":
        return bool(text_of(one)) and not text_of(other)
    return _weight(text_of(one)) > _weight(text_of(other))


def without_repeats(output: Iterable[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The items of a list with their places, each one once."""
    kept: dict[int, dict[str, Any]] = {}
    for at, read in enumerate(output):
        before = next((place for place, one in kept.items() if _repeats(read, one)), None)
        if before is None:
            kept[at] = read
        elif says_more(read, kept[before]):
            kept[before] = read
    yield from kept.items()


def different(items: Iterable[Item]) -> list[Item]:
    """`items` without the calls that only repeat others, or that are a blank form of them."""
    kept: list[Item] = []
    calls: dict[int, dict[str, Any]] = {}
    for item in items:
        if item.type != "function_call":
            kept.append(item)
            continue
        call = item.as_call()
        at = next((at for at, other in calls.items() if _repeats(call, other)), None)
        if at is None:
            calls[len(kept)] = call
            kept.append(item)
        elif says_more(call, calls[at]):
            kept[at], calls[at] = item, call
    return kept


def is_cut(item: dict[str, Any]) -> bool:
    """Whether the server calls the item an incomplete call."""
    return item.get("type") == "function_call" and item.get("status") == "incomplete"


def call_id_in(holder: dict[str, Any]) -> str:
    """The server's id of a call. "": there is none."""
    call_id = holder.get("call_id")
    return call_id if isinstance(call_id, str) else ""


def name_in(holder: dict[str, Any]) -> str:
    """A tool's name. "": there is none."""
    name = holder.get("name")
    return encodable(name.strip()) if isinstance(name, str) else ""


def _repeats(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.get("type") == other.get("type") and _known(one, other) and same(one, other)


def _known(one: dict[str, Any], other: dict[str, Any]) -> bool:
    own = one.get("id")
    if call_id_in(one) and call_id_in(other):
        return call_id_in(one) == call_id_in(other)
    return bool(own) and own == other.get("id")


def _says_nothing(written: str) -> bool:
    return parse_arguments(written) == ({}, None)


def _begins(written: str, whole: str) -> bool:
    return parse_arguments(written)[1] is not None and whole.startswith(written.rstrip())


def _weight(written: str) -> int:
    """How much arguments say: nothing at all, `{}`, what cannot be read, and what can."""
    if not written.strip():
        return 0
    args, raw = parse_arguments(written)
    return 2 if raw is not None else 3 if args else 1
