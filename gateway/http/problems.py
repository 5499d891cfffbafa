"""Every failure that the gateway reports, as problem+json (RFC 9457) with a stable `code`, from one table.

Rule 1: who finds a fault raises `Problem(code, detail)`; status and title come from `KINDS` and from nowhere else.
Rule 2: nothing that a caller sent is echoed but the names of fields, cut short; nothing internal is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import JsonValue
from starlette.responses import JSONResponse
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.schemas.yaml_source import field_name

Code = Literal[
    "not_found",
    "session_not_found",
    "agent_not_found",
    "timer_not_found",
    "bad_request",
    "validation",
    "body_too_large",
    "unsupported_media_type",
    "foreign_origin",
    "unknown_host",
    "method_not_allowed",
    "too_slow",
    "id_conflict",
    "session_closed",
    "turn_running",
    "already_answered",
    "too_many",
    "no_worker",
    "overloaded",
    "state_lost",
    "store_unavailable",
    "store_full",
    "temporal_unavailable",
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
    "session_not_found": Kind(404, "There is no such session"),
    "agent_not_found": Kind(404, "There is no such agent"),
    "timer_not_found": Kind(404, "There is no such timer"),
    "bad_request": Kind(400, "The request cannot be understood"),
    "validation": Kind(422, "The request is not valid"),
    "body_too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body is not JSON"),
    "foreign_origin": Kind(403, "A page of another site made the request"),
    "unknown_host": Kind(421, "The server does not answer to this host name"),
    "method_not_allowed": Kind(405, "This address does not take this method"),
    "too_slow": Kind(408, "The request took too long to come"),
    "id_conflict": Kind(409, "The id is taken by something else"),
    "session_closed": Kind(409, "The session is closed"),
    "turn_running": Kind(409, "The turn has not ended yet"),
    "already_answered": Kind(409, "The question is not open any more"),
    "too_many": Kind(429, "Too much at once", retry_after=2),
    "no_worker": Kind(503, "No worker answers for the session", retry_after=2),
    "overloaded": Kind(503, "More is asked for than can be done now", retry_after=2),
    "state_lost": Kind(500, "What the session carried is lost from the blob store"),
    "store_unavailable": Kind(503, "The blob store cannot be used", retry_after=5),
    "store_full": Kind(507, "The blob store has no room"),
    "temporal_unavailable": Kind(503, "Temporal does not answer", retry_after=2),
    "internal": Kind(500, "Something went wrong here"),
}

MEDIA_TYPE: Final = "application/problem+json"
_MAX_ERRORS: Final = 20
_MAX_TEXT: Final = 300

#: What is left of Temporal's own refusals after the calls have dealt with those that they expect.
_RPC: Final[Mapping[RPCStatusCode, Code]] = {
    RPCStatusCode.NOT_FOUND: "session_not_found",
    RPCStatusCode.RESOURCE_EXHAUSTED: "too_many",
}
_HTTP: Final[Mapping[int, Code]] = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation",
}
#: Words for pydantic's commonest error types; the others speak for themselves.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a field that this request takes",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "string_type": "must be text",
    "string_too_short": "is empty",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str
    message: str


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
        self.errors = tuple(errors) or ((FieldError(_cut(field), detail),) if field is not None else ())
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
        wait = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return JSONResponse(self.body(), self.status, {**wait, **self.headers}, MEDIA_TYPE)


def invalid(field: str, message: str) -> Problem:
    """A 422 that names one field; `message` goes on after the name: `agent: is required`."""
    return Problem("validation", f"{_cut(field)}: {_cut(message)}", errors=[FieldError(_cut(field), _cut(message))])


def from_validation(errors: Sequence[Any]) -> Problem:
    """`errors` as pydantic gives them, with `body`, `query`, `path` or `header` at the start of each `loc`."""
    named = [FieldError(_field(error["loc"]), _message(error)) for error in errors[:_MAX_ERRORS]]
    detail = "; ".join(f"{error.field}: {error.message}" for error in named[:3])
    more = len(errors) - 3
    return Problem("validation", f"{detail}; and {more} more" if more > 0 else detail, errors=named)


def from_http(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """What the framework itself refuses: unknown addresses, wrong methods."""
    code = _HTTP.get(status, "internal" if status >= 500 else "bad_request")
    return Problem(code, headers=headers)


def from_rpc(error: RPCError) -> Problem:
    """A refusal of Temporal's. Its words stay in the log: they may name what a caller need not know."""
    return Problem(_RPC.get(error.status, "temporal_unavailable"))


def _field(loc: Sequence[str | int]) -> str:
    steps = list(loc[1:])
    # pydantic names the member of a union between a part's number and its field.
    path = [
        s for i, s in enumerate(steps) if not (i >= 2 and steps[i - 2] == "parts" and isinstance(steps[i - 1], int))
    ]
    return _cut(field_name(tuple(path)) or str(loc[0]))


def _message(error: Mapping[str, Any]) -> str:
    message = _WORDS.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    return _cut(message)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
