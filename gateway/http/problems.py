"""Every failure that the gateway reports, as problem+json (RFC 9457) with a stable `code`, from one table.

Rule 1: who finds a fault raises `Problem(code, detail)`, or the session service a `SessionError`, whose `code` and `title`
are the same. Statuses come from `KINDS` and from nowhere else.
Rule 2: nothing that a caller sent is echoed but the names of fields, cut short; nothing internal is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import JsonValue
from starlette.responses import JSONResponse
from temporalio.service import RPCError

from perdure.gateway.http.limit_headers import refusal_headers
from perdure.temporal.sessions import errors as sessions
from perdure.temporal.sessions import validation
from perdure.temporal.sessions.errors import FieldError, cut

Code = Literal[
    sessions.Code,
    "not_found",
    "agent_not_found",
    "response_not_found",
    "unauthenticated",
    "issuer_unavailable",
    "bad_request",
    "body_too_large",
    "unsupported_media_type",
    "foreign_origin",
    "unknown_host",
    "method_not_allowed",
    "too_slow",
    "stopping",
    "store_unavailable",
    "store_full",
    "internal",
]


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    title: str
    #: Seconds, for the `Retry-After` header.
    retry_after: int | None = None


KINDS: Final[Mapping[Code, Kind]] = {
    "not_found": Kind(404, "There is nothing at this address"),
    "session_not_found": Kind(404, sessions.SessionNotFound.title),
    "agent_not_found": Kind(404, "There is no such agent"),
    "response_not_found": Kind(404, "There is no such response, or it is no longer kept"),
    "timer_not_found": Kind(404, sessions.TimerNotFound.title),
    "budget_not_found": Kind(404, sessions.BudgetNotFound.title),
    "message_not_found": Kind(404, sessions.MessageNotFound.title),
    "branch_not_found": Kind(404, sessions.BranchNotFound.title),
    "unauthenticated": Kind(401, "Who calls is not known"),
    "forbidden": Kind(403, sessions.Forbidden.title),
    "bad_request": Kind(400, "The request cannot be understood"),
    "validation": Kind(422, sessions.InvalidRequest.title),
    "file_unreadable": Kind(422, sessions.FileUnreadable.title),
    "file_not_taken": Kind(422, sessions.FileNotTaken.title),
    "body_too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body is not JSON"),
    "foreign_origin": Kind(403, "A page of another site made the request"),
    "unknown_host": Kind(421, "The server does not answer to this host name"),
    "method_not_allowed": Kind(405, "This address does not take this method"),
    "too_slow": Kind(408, "The request took too long to come"),
    "id_conflict": Kind(409, sessions.IdConflict.title),
    "session_closed": Kind(409, sessions.SessionClosed.title),
    "busy": Kind(409, sessions.SessionBusy.title),
    "message_not_queued": Kind(409, sessions.MessageNotQueued.title),
    "message_withdrawn": Kind(409, sessions.MessageWithdrawn.title),
    "turn_running": Kind(409, sessions.TurnRunning.title),
    "already_answered": Kind(409, sessions.AlreadyAnswered.title),
    "not_rewindable": Kind(409, sessions.NotRewindable.title),
    "other_branch": Kind(409, sessions.OtherBranch.title),
    "rewind_open": Kind(409, sessions.RewindOpen.title),
    "too_many_branches": Kind(409, sessions.TooManyBranches.title),
    "nothing_to_retry": Kind(409, sessions.NothingToRetry.title),
    "too_many": Kind(429, sessions.TooMany.title, retry_after=2),
    "rate_limited": Kind(429, sessions.RateLimited.title, retry_after=1),
    "too_many_streams": Kind(429, sessions.TooManyStreams.title, retry_after=2),
    "too_many_turns": Kind(429, sessions.TooManyTurns.title, retry_after=2),
    "no_worker": Kind(503, sessions.NoWorker.title, retry_after=2),
    "overloaded": Kind(503, sessions.Overloaded.title, retry_after=2),
    "state_lost": Kind(500, sessions.StateLost.title),
    "stopping": Kind(503, "The gateway is about to stop"),
    "issuer_unavailable": Kind(503, "The identity provider does not answer", retry_after=5),
    "store_unavailable": Kind(503, "The blob store cannot be used", retry_after=5),
    "store_full": Kind(507, "The blob store has no room"),
    "temporal_unavailable": Kind(503, sessions.TemporalSilent.title, retry_after=2),
    "internal": Kind(500, "Something went wrong here"),
}

MEDIA_TYPE: Final = "application/problem+json"

_HTTP: Final[Mapping[int, Code]] = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation",
}


class Problem(Exception):
    """A failure that a caller is told of. `detail` is one or two sentences for people."""

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        field: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or KINDS[code].title)
        self.code: Code = code
        self.detail = detail or f"{KINDS[code].title}."
        self.errors = tuple(errors) or ((FieldError(cut(field), detail),) if field is not None else ())
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return KINDS[self.code].status

    def body(self) -> dict[str, JsonValue]:
        body: dict[str, JsonValue] = {
            "type": f"/docs#{self.code}",
            "title": KINDS[self.code].title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        return body

    def response(self) -> JSONResponse:
        retry_after = KINDS[self.code].retry_after
        more = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if self.status == 401:
            # RFC 9110, section 11.6.1: an answer 401 names a scheme.
            more["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body(), self.status, {**more, **self.headers}, MEDIA_TYPE)


def invalid(field: str, message: str) -> Problem:
    """A 422 that names one field; `message` goes on after the name: `agent: is required`."""
    return Problem("validation", f"{cut(field)}: {cut(message)}", errors=[FieldError(cut(field), cut(message))])


def from_http(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """What the framework itself refuses: unknown addresses, wrong methods."""
    code = _HTTP.get(status, "internal" if status >= 500 else "bad_request")
    return Problem(code, headers=headers)


def from_session(error: sessions.SessionError) -> Problem:
    """What the session service refused, or could not do."""
    errors = error.errors if isinstance(error, sessions.InvalidRequest) else ()
    return Problem(error.code, error.detail, errors=errors, headers=refusal_headers(error))


def from_validation(errors: Sequence[Any]) -> Problem:
    """`errors` as pydantic gives them, with `body`, `query`, `path` or `header` at the start of each `loc`."""
    return from_session(validation.from_validation(errors))


def from_rpc(error: RPCError) -> Problem:
    """A refusal of Temporal's. Its words stay in the log: they may name what a caller need not know."""
    return from_session(sessions.from_rpc(error))
