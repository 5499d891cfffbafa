"""What a tool's heartbeat says of its progress, in any form in which tools say it. Pure.

Each detail of a heartbeat is read by these rules. Of several details, the last one that has a message gives the message, and
the last one that has a fraction gives the fraction.

1. A text is the message. A number is the fraction. `[text, number]` is both.
2. In an object, the message is the first text among `message`, `text`, `status`, `description`.
3. In an object, the fraction is the first of these that can be read: `fraction`; a count and its whole, as in
   `{"done": 2, "of": 4}`; `progress` from 0 to 1; `percent`, `percentage` or `pct` from 0 to 100. A count is `done`,
   `current`, `completed`, `processed`, `finished` or `progress`. Its whole is `of`, `total` or `out_of`, and above 0.
4. Where there is no text, the message is compact JSON: of an object's other members, or of a list.
5. True, false, null, what is empty and what JSON cannot hold say nothing. Members of an object that are null or an empty text
are ignored.

Names count whatever their case, and with or without underscores. A fraction is held between 0 and 1, a message to `LONGEST`
characters.
"""

import json
import math
from typing import Any, Final

from perdure.temporal.live.frames import ToolProgress
from perdure.workflows.vocabulary.ids import call_of_activity

#: Characters of a message.
LONGEST: Final = 500

_TEXTS: Final = ("message", "text", "status", "description")
_COUNTS: Final = ("done", "current", "completed", "processed", "finished", "progress")
_WHOLES: Final = ("of", "total", "outof")
_PERCENTAGES: Final = ("percent", "percentage", "pct")
#: Larger numbers count as this one.
_HUGE: Final = 10**300
_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

#: A message and a fraction.
_Read = tuple[str | None, float | None]


def read_progress(activity_id: str, details: tuple[Any, ...]) -> ToolProgress | None:
    """What a heartbeat of a call's activity, or of its fallback's, says. None: nothing for people."""
    message: str | None = None
    fraction: float | None = None
    for detail in details:
        text, share = _read(detail)
        message = message if text is None else text
        fraction = fraction if share is None else share
    if message is None and fraction is None:
        return None
    return ToolProgress(call_of_activity(activity_id), message, fraction)


def _read(detail: Any) -> _Read:
    match detail:
        case str():
            return _message(detail), None
        case dict():
            return _read_object(detail)
        case [str(text), share] if _number(share) is not None:
            return _message(text), _held(share)
        case list() | tuple():
            return _as_json(detail), None
        case _:
            return None, _held(detail)


def _read_object(said: dict[Any, Any]) -> _Read:
    given = {_plain(name): value for name, value in said.items() if value is not None and value != ""}
    text = next((message for name in _TEXTS if (message := _message(given.get(name))) is not None), None)
    fraction, read = _fraction(given)
    if text is not None:
        return text, fraction
    return _as_json({name: said[name] for name in said if _plain(name) in given.keys() - read}), fraction


def _plain(name: object) -> str:
    """`outOf` and `Out_Of` are the same name: languages differ in how they write it."""
    return str(name).replace("_", "").lower()


def _fraction(given: dict[str, Any]) -> tuple[float | None, set[str]]:
    """The fraction in an object, and the members that give it."""
    if (held := _held(given.get("fraction"))) is not None:
        return held, {"fraction"}
    for count in _COUNTS:
        for whole in _WHOLES:
            done, total = _number(given.get(count)), _number(given.get(whole))
            if done is not None and total is not None and total > 0:
                return _held(done / total), {count, whole}
    share = _number(given.get("progress"))
    if share is not None and 0 <= share <= 1:
        return share, {"progress"}
    for name in _PERCENTAGES:
        percent = _number(given.get(name))
        if percent is not None and 0 <= percent <= 100:
            return percent / 100, {name}
    return None, set()


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    # An integer may be too long for a float.
    return float(min(max(value, -_HUGE), _HUGE)) if -math.inf < value < math.inf else None


def _held(value: Any) -> float | None:
    number = _number(value)
    return None if number is None else min(max(number, 0.0), 1.0)


def _message(value: Any) -> str | None:
    return _writable(value[:LONGEST]) if isinstance(value, str) and value.strip() else None


def _as_json(value: Any) -> str | None:
    if not value:
        return None
    written = ""
    try:
        # Piece by piece, for a tool may keep far more there than anybody is shown.
        for piece in _JSON.iterencode(value):
            written += piece
            if len(written) > LONGEST:
                return _writable(f"{written[: LONGEST - 1]}…")
    except (TypeError, ValueError, RecursionError):
        return None
    return _writable(written)


def _writable(text: str) -> str:
    """`text` with halves of characters, which JSON of other languages may hold, replaced."""
    return text if text.isascii() else text.encode(errors="replace").decode()
