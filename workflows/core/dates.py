"""What a session calls the date: the turn's start, on the clock of the session's time zone. Pure.

Rule 1: within a turn the date and the time stand still, so that its steps' prompts are the same text.
Rule 2: a step keeps its turn's start and its zone, so that its prompt is the same whenever it is built.
"""

from datetime import UTC, datetime
from typing import Final

from perdure.workflows.core.state.session import SessionState
from perdure.workflows.vocabulary.zones import zone

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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


def turn_start(state: SessionState, turn_id: str) -> datetime | None:
    """When a turn started that the session still keeps; None: it does not."""
    log = state.log
    starts = (log.events[seq - log.oldest] for seq in reversed(log.turn_starts) if seq >= log.oldest)
    return next((event.at for event in starts if event.turn_id == turn_id), None)


def date_names(at: datetime, timezone: str | None) -> dict[str, str]:
    """What templates may name of a turn that started `at`, beside its id and number."""
    here = local(at, timezone)
    return {
        "date": f"{here:%Y-%m-%d}",
        "time": f"{here:%H:%M}",
        "weekday": _WEEKDAYS[here.weekday()],
        "started_at": here.isoformat(timespec="seconds"),
    }


def date_line(at: datetime, timezone: str | None) -> str:
    """What the model is told of the date."""
    names = date_names(at, timezone)
    return f"Today is {names['weekday']}, {names['date']} (time zone: {timezone or 'UTC'})."
