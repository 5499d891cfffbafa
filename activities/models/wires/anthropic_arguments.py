"""The arguments of a call of Anthropic Messages, in whatever place they come. Pure, and total.

The API begins a call with an empty object and sends the arguments in fragments. Servers that only resemble it put them into
the start, into the stop or into the whole message at the end, under other names, or send an empty object beside them.

Rule 1: an empty object in one place takes nothing back of what another place says.
Rule 2: fragments that are one whole object hold; then what was said last; then what was said first. Fragments that are not
whole take the trust from what was said before them.
Rule 3: a call has no arguments where every place says so and nothing was left unread.
"""

from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.temporal.schemas.nesting import too_deep

#: Names for arguments as a whole.
_NAMES: Final = ("input", "arguments", "parameters", "args")
_FRAGMENTS: Final = (*_NAMES, "partial_json", "json")
#: Levels of an event that are looked through.
_DEPTH: Final = 6
#: JSON for no arguments, besides the empty object.
_NOTHING: Final = ("", "null", "None", '""')
#: Arguments and `args_raw`, as `parse_arguments` returns them.
Read = tuple[dict[str, JsonValue], str | None]


def arguments_in(block: dict[str, Any]) -> Any:
    """The whole arguments that a block holds. None: there are none, not even empty ones."""
    inner = block.get("function")
    places = [place for place in (block, inner) if isinstance(place, dict)]
    told = [place[name] for place in places for name in _NAMES if place.get(name) is not None]
    return next((one for one in told if one not in ({}, "")), told[0] if told else None)


def holds_arguments(event: Any, depth: int = _DEPTH) -> bool:
    """Whether arguments may stand somewhere in an event, besides a message's list of blocks and its token counts."""
    match event:
        case dict():
            places = [(k, v) for k, v in event.items() if k != "usage" and not (k == "content" and isinstance(v, list))]
            told = any(name in _FRAGMENTS and value not in (None, "", {}) for name, value in places)
            return told or (depth > 0 and any(holds_arguments(value, depth - 1) for _, value in places))
        case list():
            return depth > 0 and any(holds_arguments(value, depth - 1) for value in event)
        case _:
            return False


def as_text(whole: Any) -> str:
    """Whole arguments as JSON; "": they are none. Some servers send that JSON rather than the object."""
    if whole in (None, {}):
        return ""
    if too_deep(whole):
        return "(nested too deep)"
    text = encodable(whole if isinstance(whole, str) else compact(whole))
    return "" if text.strip() in _NOTHING else text


def says_none(written: str) -> bool:
    """Whether these fragments, together, stand for no arguments. What follows takes their place."""
    return written.strip() in ("{}", *_NOTHING)


def adds_nothing(fragment: str, written: str) -> bool:
    """Whether a fragment behind whole arguments only repeats them, or is empty."""
    return (says_none(fragment) or fragment.strip() == written.strip()) and is_whole(written)


def is_whole(written: str) -> bool:
    return parse_arguments(written)[1] is None


def chosen(written: str, first: Any, last: Any, *, lost: bool, unread: bool, ended: bool) -> Read:
    """The arguments of a call, from fragments, and from what was said before and behind them. `lost`: fragments could not be
    read. `unread`: something came that may have been arguments. `ended`: the call is known to be over."""
    read = [parse_arguments(text) for text in (written, as_text(last), as_text(first))]
    by_fragments, by_last, by_first = read
    if is_full(by_fragments) and not lost:
        return by_fragments
    if is_full(by_last):
        return by_last
    if lost:
        return {}, written or as_text(first)
    if not says_none(written):
        return by_fragments
    told = next((one for one in (by_first, by_last) if one[1] or is_full(one)), None)
    if told is not None:
        return told
    explicit = any(raw is None for _, raw in read)
    return {}, None if not unread and (explicit or (ended and {} in (first, last))) else ""


def is_full(read: Read) -> bool:
    """Whether they are whole, and not empty."""
    return bool(read[0]) and read[1] is None
