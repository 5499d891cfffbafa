"""What only the routes take; what they answer is in `gateway.openapi.answers`.

The bodies that ask something of the session service are its own (`temporal.sessions.requests`). Unknown fields are refused:
what this version does not carry out is never ignored.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from perdure.temporal.sessions.requests import SessionId
from perdure.temporal.sessions.scopes import Act
from perdure.workflows.vocabulary.durations import parse_duration
from perdure.workflows.vocabulary.parts import Frozen, Id

SessionPath = Annotated[SessionId, Path(description="The session's id")]
_MIN_TTL: Final = timedelta(seconds=1)
#: The longest life of a session's token.
MAX_TTL: Final = timedelta(minutes=15)
_ACTS: Final[dict[str, Act]] = {"session:read": "read", "session:write": "write", "session:answer": "answer"}

MessagePath = Annotated[SessionId, Path(description="The message's id")]


def _named_in_full(value: Any) -> Any:
    return f"session:{value}" if isinstance(value, str) and ":" not in value else value


def _from_seconds(value: Any) -> Any:
    return timedelta(seconds=value) if isinstance(value, int) and not isinstance(value, bool) else parse_duration(value)


def _within(ttl: timedelta) -> timedelta:
    # pydantic's own words for a bound of a duration are Python.
    if not _MIN_TTL <= ttl <= MAX_TTL:
        raise ValueError(f"must be from {_MIN_TTL.total_seconds():g} to {MAX_TTL.total_seconds():g} seconds")
    return ttl


class MakeToken(Frozen):
    #: Some of `session:read`, `session:write` and `session:answer`, of which `session:` may be left out. By default all of
    #: them.
    scopes: Annotated[
        tuple[
            Annotated[Literal["session:read", "session:write", "session:answer"], BeforeValidator(_named_in_full)], ...
        ],
        Field(min_length=1, max_length=3),
    ] = ("session:read", "session:write", "session:answer")
    #: How long it counts: seconds, or as in `10m`; at most, and by default, 15 minutes.
    ttl: Annotated[
        timedelta,
        BeforeValidator(_from_seconds),
        AfterValidator(_within),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 900}, {"type": "string"}]}),
    ] = MAX_TTL

    @property
    def acts(self) -> tuple[Act, ...]:
        return tuple(_ACTS[scope] for scope in self.scopes)


class StopTurn(Frozen):
    #: Stops only this turn; left out: whichever runs.
    turn_id: Id | None = None
