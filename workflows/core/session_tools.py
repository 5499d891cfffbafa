"""The tools that a session carries out itself: its to-do list, and timers, "I will check on Friday", and it does. Pure.

Rule: a timer is an absolute time in the state. It survives restarts and continue-as-new, and fires once, when the
session rests.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import JsonValue

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.calls.results import finish, start
from perdure.workflows.core.changes import TimerCancelled, TimerDue
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.todo import TODO, keep
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.durations import parse_duration
from perdure.workflows.vocabulary.errors import INVALID_ARGUMENTS, UNKNOWN_TIMER
from perdure.workflows.vocabulary.events import TimerSet
from perdure.workflows.vocabulary.ids import timer_id
from perdure.workflows.vocabulary.parts import ToolError, ToolSpec
from perdure.workflows.vocabulary.zones import from_local, local

MAX_TIMERS: Final = 100
MAX_NOTE: Final = 2_000
LONGEST: Final = timedelta(days=3660)

WAKE_ME: Final = ToolSpec(
    name="wake_me",
    description="Set a timer that wakes you up later, with a note to yourself on what to do then. "
    "The conversation rests meanwhile. Give either `at` or `after`.",
    input={
        "type": "object",
        "properties": {
            "at": {
                "type": "string",
                "description": "RFC 3339 time, such as 2026-03-06T09:00:00+01:00; without an offset, in the time zone of "
                "the conversation",
            },
            "after": {"type": "string", "description": "Time from now: a number and a unit, such as 30m, 2h, 3d"},
            "note": {"type": "string", "description": "What to do or check then", "maxLength": MAX_NOTE},
        },
        "required": ["note"],
        "additionalProperties": False,
    },
    output={
        "type": "object",
        "properties": {
            "timer_id": {"type": "string"},
            "at": {"type": "string"},
            "timezone": {"type": "string", "description": "The zone of `at`, and of times without an offset"},
        },
        "required": ["timer_id", "at"],
    },
)
CANCEL_WAKE_UP: Final = ToolSpec(
    name="cancel_wake_up",
    description="Cancel a timer that you set with wake_me.",
    input={
        "type": "object",
        "properties": {"timer_id": {"type": "string"}},
        "required": ["timer_id"],
        "additionalProperties": False,
    },
    output={"type": "object", "properties": {"cancelled": {"type": "string"}}},
)
#: Tools that the session itself carries out, by name.
SPECS: Final = {spec.name: spec for spec in (WAKE_ME, CANCEL_WAKE_UP, TODO)}


def carry_out(draft: Draft, call: Call) -> None:
    """Carries out a call of one of these tools, from `tool.started` to `tool.finished`."""
    start(draft, call.made)
    call = replace(call, started=True)
    finish(draft, call, _CARRY_OUT[call.name](draft, call))


def mark_due(draft: Draft) -> None:
    """Marks the timers whose time has come."""
    for timer in draft.state.timers.pending:
        if timer.due <= draft.now and not timer.fires:
            draft.add(TimerDue(timer_id=timer.timer_id))


def _wake(draft: Draft, call: Call) -> ToolOutput | ToolError:
    timezone = draft.state.timezone
    args = read_wake_up(call.made.args, draft.now, timezone)
    if isinstance(args, ToolError):
        return args
    due, note = args
    if len(draft.state.timers.pending) >= MAX_TIMERS:
        return _wrong(f"This session has {MAX_TIMERS} timers already; cancel one first.")
    made = timer_id(call.call_id)
    draft.add(TimerSet(**draft.stamp, timer_id=made, due=due, note=note))
    told = {"timer_id": made, "at": local(due, timezone).isoformat(), "timezone": timezone or "UTC"}
    return ToolOutput(output=told, attempt=None)


def _cancel(draft: Draft, call: Call) -> ToolOutput | ToolError:
    wanted = call.made.args.get("timer_id")
    known = [timer.timer_id for timer in draft.state.timers.pending]
    if wanted not in known:
        there = ", ".join(known) or "none"
        return ToolError(type=UNKNOWN_TIMER, message=f"timer_id: there is no such timer; there are: {there}")
    draft.add(TimerCancelled(timer_id=str(wanted)))
    return ToolOutput(output={"cancelled": wanted}, attempt=None)


def read_wake_up(
    args: dict[str, JsonValue], now: datetime, timezone: str | None = None
) -> tuple[datetime, str] | ToolError:
    """When to wake up, in UTC, and the note; or what is wrong with the arguments. `timezone` is that of a time without an
    offset. Pure."""
    unknown = sorted(args.keys() - {"at", "after", "note"})
    if unknown:
        return _wrong(f"{unknown[0]}: is not an argument of this tool; its arguments: at, after, note")
    note = args.get("note")
    if not isinstance(note, str) or not note.strip():
        return _wrong("note: is required, a text")
    if len(note) > MAX_NOTE:
        return _wrong(f"note: has {len(note)} characters; at most {MAX_NOTE} may be")
    at, after = args.get("at"), args.get("after")
    given = "at" if at is not None else "after"
    if (at is None) == (after is None):
        return _wrong("at, after: give exactly one of the two")
    try:
        due = _time(at, timezone) if at is not None else now + parse_duration(after)
    except ValueError as error:
        return _wrong(f"{given}: {error}")
    except OverflowError:
        return _wrong(f"{given}: is further away than any clock can tell")
    if due <= now:
        then, here = (local(one, timezone).isoformat() for one in (due, now))
        return _wrong(f"{given}: {then} is not in the future; now it is {here}")
    if due - now > LONGEST:
        return _wrong(f"{given}: is more than ten years away")
    return due, note


def _time(value: JsonValue, timezone: str | None) -> datetime:
    if not isinstance(value, str):
        raise ValueError("is an RFC 3339 time, such as 2026-03-06T09:00:00+01:00")
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is not an RFC 3339 time, such as 2026-03-06T09:00:00+01:00") from None
    return from_local(read, timezone) if read.tzinfo is None else read.astimezone(UTC)


def _wrong(message: str) -> ToolError:
    return ToolError(type=INVALID_ARGUMENTS, message=message)


_CARRY_OUT: Final[dict[str, Callable[[Draft, Call], ToolOutput | ToolError]]] = {
    WAKE_ME.name: _wake,
    CANCEL_WAKE_UP.name: _cancel,
    TODO.name: keep,
}
