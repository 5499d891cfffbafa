"""What a provider's headers say of its rate limits. Pure.

The vendors' names differ in the order of their words only: `anthropic-ratelimit-requests-remaining`,
`x-ratelimit-remaining-requests` (OpenAI, Groq, xAI), `x-ratelimit-remaining` (OpenRouter), `ratelimit-remaining` (the IETF's
draft), `x-ratelimit-remaining-req-minute` (Mistral). Resets come as `1s`, `6m0s`, `20ms` (OpenAI), seconds, RFC 3339 times
(Anthropic), Unix times in seconds or milliseconds (OpenRouter), or as a period in the name.
"""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_PERIODS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+")
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
#: Numbers above are times since 1970, in seconds or milliseconds.
_UNIX_S: Final = 1e9
_UNIX_MS: Final = 1e12


@dataclass(frozen=True, slots=True)
class Told:
    """One limit, as its headers have it."""

    #: Of tokens, not of requests.
    tokens: bool
    remaining: float
    #: What a whole period takes; None: not told.
    limit: float | None
    #: Seconds until the limit is whole again; None: not told.
    resets_in: float | None


def told(headers: Mapping[str, str], now: float) -> tuple[Told, ...]:
    """Each limit that `headers`, whose names are in lower case, say something of. `now` is in seconds since 1970."""
    found: list[Told] = []
    for name, value in headers.items():
        if "ratelimit" not in name or "remaining" not in name or (remaining := _number(value)) is None:
            continue
        limit = _number(headers.get(name.replace("remaining", "limit"), ""))
        resets_in = seconds_until(headers.get(name.replace("remaining", "reset"), ""), now)
        if resets_in is None:
            resets_in = next((seconds for word, seconds in _PERIODS.items() if word in name), None)
        found.append(Told("token" in name, remaining, limit, resets_in))
    return tuple(found)


def seconds_until(value: str, now: float) -> float | None:
    """The seconds from `now`, in seconds since 1970, until the time that a header gives in any of its forms; not negative.
    None: it gives none."""
    value = value.strip().lower()
    if _DURATION.fullmatch(value):
        return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(value))
    number = _number(value)
    if number is not None:
        at = number / 1000 if number >= _UNIX_MS else number
        return max(at - now if at >= _UNIX_S else at, 0.0)
    try:
        return max(datetime.fromisoformat(value.upper()).timestamp() - now, 0.0)
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return None if date is None else max(email.utils.mktime_tz(date) - now, 0.0)


def _number(value: str) -> float | None:
    # Of a list (`100, 100;w=60`), the first counts.
    try:
        number = float(value.split(",")[0].split(";")[0])
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
