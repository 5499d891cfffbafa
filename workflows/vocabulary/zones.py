"""Time zones by their IANA names, as in `Europe/Berlin`, and what their clocks and calendars show.

The database is the `tzdata` package's or the system's.
"""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@lru_cache(maxsize=256)
def zone(name: str | None) -> tzinfo | None:
    """The zone of this name, and UTC for no name. None: there is no such zone."""
    if name is None or name.upper() == "UTC":
        # UTC works without the database.
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        # A folder of the database is an OSError.
        return None


def local(at: datetime, timezone: str | None) -> datetime:
    """`at` on the clock of the zone; UTC where the zone is none that this worker knows."""
    try:
        return at.astimezone(zone(timezone) or UTC)
    except OverflowError:
        # Hours before the first day of the calendar, or after its last.
        return at


def from_local(naive: datetime, timezone: str | None) -> datetime:
    """The time, in UTC, at which clocks of the zone show `naive`; the first one where they show it twice."""
    return naive.replace(tzinfo=zone(timezone) or UTC, fold=0).astimezone(UTC)


def date_names(at: datetime, timezone: str | None) -> dict[str, str]:
    """What templates may name of a turn that started `at`, beside its id and number."""
    here = local(at, timezone)
    return {
        "date": f"{here:%Y-%m-%d}",
        "time": f"{here:%H:%M}",
        "weekday": _WEEKDAYS[here.weekday()],
        "started_at": here.isoformat(timespec="seconds"),
    }


def day_of(at: datetime, timezone: str | None) -> str:
    """The day in words for a model, and whose day it is."""
    names = date_names(at, timezone)
    return f"{names['weekday']}, {names['date']} (time zone: {timezone or 'UTC'})"
