"""What an answer of the server's that refuses or fails means, as an exception."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx2

from perdure.gateway.client.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PerdureError,
    ServerFailed,
    TooMany,
    Unauthenticated,
    Unavailable,
)


def refused(response: httpx2.Response) -> PerdureError:
    """The exception that an answer stands for, if it is none that takes the request."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    return error_of(response.status_code, problem, response.headers.get("Retry-After"))


def error_of(status: int, problem: Any, retry_after: str | None = None) -> PerdureError:
    """The exception for an answer with this status and body."""
    told: Mapping[str, Any] = problem if isinstance(problem, Mapping) else {}
    code = told.get("code")
    kind = BY_CODE.get(code) if isinstance(code, str) else None
    words = told.get("detail") or told.get("title") or f"the server answered {status}"
    return (kind or _kind_of(status))(str(words), status, told, _seconds(retry_after))


def _kind_of(status: int) -> type[PerdureError]:
    match status:
        case 401:
            return Unauthenticated
        case 403:
            return Forbidden
        case 404:
            return NotFound
        case 409:
            return Conflict
        case 429:
            return TooMany
        case 408 | 502 | 503 | 504:
            return Unavailable
        case _:
            return Invalid if status < 500 else ServerFailed


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _below(kind: type[PerdureError]) -> Iterator[type[PerdureError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


#: The exceptions by their codes.
BY_CODE: Final = {kind.code: kind for kind in _below(PerdureError) if kind.code}
