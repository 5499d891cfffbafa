"""Timers that an agent sets for itself: "I will check on Friday", and it does.

Rule: a timer is an absolute time in the state. It survives restarts and continue-as-new, and fires once, when the
session rests.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import JsonValue
from temporalio import workflow

from perdure.workflows.core.private_changes import (
    Note,
    TimerCancelled,
    TimerDue,
)
from perdure.workflows.core.state import SessionState
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.durations import parse_duration
from perdure.workflows.vocabulary.errors import INVALID_ARGUMENTS, UNKNOWN_TIMER
from perdure.workflows.vocabulary.parts import ToolCall, ToolError, ToolSpec

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
                "description": "RFC 3339 time, such as 2026-03-06T09:00:00+01:00; UTC without a zone",
            },
            "after": {"type": "string", "description": "Time from now: a number and a unit, such as 30m, 2h, 3d"},
            "note": {"type": "string", "description": "What to do or check then", "maxLength": MAX_NOTE},
        },
        "required": ["note"],
        "additionalProperties": False,
    },
    output={
        "type": "object",
        "properties": {"timer_id": {"type": "string"}, "at": {"type": "string"}},
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
SPECS: Final = {spec.name: spec for spec in (WAKE_ME, CANCEL_WAKE_UP)}


class Timers:
    """`state` gives the session's state; `append` adds an event to it, `note` a note."""

    def __init__(
        self, state: Callable[[], SessionState], append: Callable[..., None], note: Callable[[Note], None]
    ) -> None:
        self._state = state
        self._append = append
        self._note = note

    def carry_out(self, call: ToolCall) -> ToolOutput | ToolError:
        """What a call of one of these tools does."""
        if call.name == CANCEL_WAKE_UP.name:
            return self._cancel(call.args.get("timer_id"))
        args = read_wake_up(call.args, workflow.now())
        if isinstance(args, ToolError):
            return args
        due, note = args
        if len(self._state().timers) >= MAX_TIMERS:
            return _wrong(f"This session has {MAX_TIMERS} timers already; cancel one first.")
        timer_id = f"{call.call_id}.timer"
        self._append("timer.set", timer_id=timer_id, due=due, note=note)
        return ToolOutput(output={"timer_id": timer_id, "at": due.isoformat()}, attempt=None)

    def mark_due(self, now: datetime) -> None:
        for timer in self._state().timers:
            if timer.due <= now and not timer.fires:
                self._note(TimerDue(timer_id=timer.timer_id))

    def _cancel(self, timer_id: JsonValue) -> ToolOutput | ToolError:
        if not any(timer.timer_id == timer_id for timer in self._state().timers):
            known = ", ".join(timer.timer_id for timer in self._state().timers) or "none"
            return ToolError(type=UNKNOWN_TIMER, message=f"timer_id: there is no such timer; there are: {known}")
        self._note(TimerCancelled(timer_id=str(timer_id)))
        return ToolOutput(output={"cancelled": timer_id}, attempt=None)


def read_wake_up(args: dict[str, JsonValue], now: datetime) -> tuple[datetime, str] | ToolError:
    """When to wake up, and the note; or what is wrong with the arguments. Pure."""
    unknown = sorted(args.keys() - {"at", "after", "note"})
    if unknown:
        return _wrong(f"{unknown[0]}: is no argument of this tool; its arguments: at, after, note")
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
        due = _time(at) if at is not None else now + parse_duration(after)
    except ValueError as error:
        return _wrong(f"{given}: {error}")
    except OverflowError:
        return _wrong(f"{given}: is further away than any clock can tell")
    if due <= now:
        return _wrong(f"{given}: {due.isoformat()} is not in the future; now it is {now.isoformat()}")
    if due - now > LONGEST:
        return _wrong(f"{given}: is more than ten years away")
    return due, note


def _time(value: JsonValue) -> datetime:
    if not isinstance(value, str):
        raise ValueError("is an RFC 3339 time, such as 2026-03-06T09:00:00+01:00")
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is no RFC 3339 time, such as 2026-03-06T09:00:00+01:00") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _wrong(message: str) -> ToolError:
    return ToolError(type=INVALID_ARGUMENTS, message=message)
