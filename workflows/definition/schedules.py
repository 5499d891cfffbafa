"""Schedules as an agent's `schedules:` names them: a message that a session gets again and again, or a handler that it
carries out, by cron.

Rule: an expression means what cron means by it, also where Temporal means something else: of a day of the month and a
day of the week that are both given, one is enough.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from perdure.workflows.definition.handlers import MESSAGE
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.ids import free_session_id
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen, Id, absent

#: In characters; small enough to travel whole.
MAX_MESSAGE: Final = 8_000

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Name, lowest and highest value of each field. 7 is Sunday, too.
_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_NAMES: Final = {
    "month": {name: number for number, name in enumerate(_MONTHS, 1)},
    "day of week": {name: number for number, name in enumerate(_DAYS)},
}
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: Of a user's id: no control characters.
USER: Final = r"^[^\x00-\x1f\x7f]{1,200}$"
_PIECE: Final = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?", re.ASCII)


class Times(Frozen):
    """Minutes at which a schedule is due: those that fit all five; days of the week count from Sunday, 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]


def cron_times(cron: str) -> tuple[Times, ...]:
    """When `cron` is due: whenever one of these is. Raises ValueError for what is no expression of five fields."""
    words = cron.split()
    if len(words) != len(_FIELDS):
        given = f"this one has {len(words)}" if words else "this one is empty"
        raise ValueError(f"a cron expression has five fields, minute hour day month weekday; {given}")
    minutes, hours, days, months, weekdays = (_values(word, *field) for word, field in zip(words, _FIELDS, strict=True))
    weekdays = tuple(sorted({day % 7 for day in weekdays}))
    every_day, every_weekday = (word.startswith("*") for word in (words[2], words[4]))
    by_day = Times(minutes=minutes, hours=hours, days=days, months=months, weekdays=weekdays)
    if every_day or every_weekday:
        found: tuple[Times, ...] = (by_day,)
    else:
        found = (
            by_day.model_copy(update={"weekdays": tuple(range(7))}),
            by_day.model_copy(update={"days": tuple(range(1, 32))}),
        )
    if not any(day <= _LONGEST_MONTHS[month - 1] for times in found for month in times.months for day in times.days):
        raise ValueError(f"{cron!r} is never due: no such month has such a day")
    return found


def _values(word: str, name: str, low: int, high: int) -> tuple[int, ...]:
    return tuple(sorted({value for piece in word.split(",") for value in _piece(piece, name, low, high)}))


def _piece(piece: str, name: str, low: int, high: int) -> Iterator[int]:
    """`*`, `5`, `mon`, `1-5`, `*/15`, `8-18/2`"""
    read = _PIECE.fullmatch(piece)
    if read is None or (read["first"] == "*" and read["last"] is not None):
        raise ValueError(f"the {name} {piece!r} is neither *, a value, a range, as in 1-5, nor a step, as in */15")
    step = int(read["step"] or 1)
    if step == 0:
        raise ValueError(f"the {name} {piece!r} has a step of 0")
    if read["first"] == "*":
        # 7 would be a second Sunday.
        first, last = low, 6 if name == "day of week" else high
    else:
        first = _value(read["first"], name, low, high)
        last = _value(read["last"], name, low, high) if read["last"] else high if read["step"] else first
    if last < first:
        raise ValueError(f"the {name} {piece!r} ends before it begins")
    yield from range(first, last + 1, step)


def _value(word: str, name: str, low: int, high: int) -> int:
    named = _NAMES.get(name, {}).get(word.lower())
    value = int(word) if named is None and word.isdecimal() else named
    if value is None or not low <= value <= high:
        names = (
            ", or a name, as in MON" if name == "day of week" else ", or a name, as in JAN" if name == "month" else ""
        )
        raise ValueError(f"the {name} {word!r} is not a number from {low} to {high}{names}")
    return value


def _cron(value: str) -> str:
    cron_times(value)
    return " ".join(value.split())


def _session(value: str) -> str:
    if value in (".", ".."):
        raise ValueError("cannot be '.' or '..'")
    return free_session_id(value)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


class Schedule(Frozen):
    """A message that the agent's session is sent by the clock, or a handler that it carries out."""

    cron: Annotated[str, StringConstraints(max_length=500), AfterValidator(_cron)] = Field(
        description="When, in five fields: minute, hour, day of month, month, day of week. `0 9 * * MON` is Mondays at 9:00. "
        "Where both kinds of day are given, either is enough."
    )
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        default="UTC", description="The time zone of `cron`, by its name, as in `Europe/Berlin`. Default: UTC."
    )
    session: Annotated[Id, StringConstraints(max_length=190), AfterValidator(_session)] = Field(
        description="The id of the session that gets the message, or carries the handler out. The first time starts it; once "
        "it is closed, `{session}-2` takes its place, and so on."
    )
    message: (
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE), AfterValidator(_not_blank)] | None
    ) = Field(
        default=None,
        exclude_if=absent,
        description=f"What the session is told: up to {MAX_MESSAGE} characters. Either this or `handler` is given.",
    )
    handler: Name | None = Field(
        default=None,
        exclude_if=absent,
        description="The handler, one of `handlers`, that the session carries out: in a turn of its own, behind what runs.",
    )
    inputs: dict[str, JsonValue] = Field(
        default={},
        description="Values by name: for the inputs of the handler, and for the agent's, which a session that the schedule "
        "starts is given.",
    )
    busy: Busy = Field(
        default="queue",
        exclude_if=lambda busy: busy == "queue",
        description="What happens to the message when it finds the session at work, whatever the agent's `busy` says: it "
        "waits (`queue`), joins the turn (`steer`), stops it (`interrupt`), or is skipped this time (`reject`). Default: "
        "queue. A handler always waits.",
    )
    user: Annotated[str, StringConstraints(pattern=USER)] | None = Field(
        default=None, description="The user to whom a session belongs that the schedule starts; up to 200 characters."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.message is None and self.handler is None:
            raise ValueError("message: is required; or name a handler, as in `handler: report`")
        if self.message is not None and self.handler is not None:
            raise ValueError("handler: a schedule has either a message or a handler; make another one for this")
        if self.handler is not None and self.busy != "queue":
            raise ValueError("busy: is for messages; a handler always waits for its turn, so leave it out")
        return self


def schedule_faults(
    schedules: tuple[Schedule, ...], handlers: Mapping[str, object], events: Mapping[str, object]
) -> Iterator[tuple[int, str]]:
    """The schedules whose handler is none that can be triggered, by index, and why."""
    there = [name for name in handlers if name != MESSAGE]
    for index, schedule in enumerate(schedules):
        if schedule.handler == MESSAGE:
            yield index, "'message' is the handler of messages; give `message: TEXT` in place of this"
        elif schedule.handler in events:
            why = "an event begins nothing by the clock; name a handler, or let one `wait: {for: …}`"
            yield index, f"{schedule.handler!r} is one of events, and not of handlers: {why}"
        elif schedule.handler is not None and schedule.handler not in there:
            near = did_you_mean(schedule.handler, there) or f"; there are: {', '.join(there) or 'none'}"
            yield index, f"{schedule.handler!r} is not one of handlers{near}"


Schedules = Annotated[tuple[Schedule, ...], Field(max_length=100)]
