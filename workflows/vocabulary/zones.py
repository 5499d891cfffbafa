"""Time zones by their IANA names, as in `Europe/Berlin`. The database is the `tzdata` package's or the system's."""

from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo


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
