"""Exceptions of the google-genai SDK, and errors within a stream, as those that `failure_kinds.classify` knows.

The API says most by its `google.rpc` details: `ErrorInfo` names a reason, `RetryInfo` a delay, `QuotaFailure` which quota.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.genai import errors

from perdure.activities.models.failures import ProviderError
from perdure.activities.models.wires.gemini_parts import member

_DELAY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")
#: The failure table's code for a key that is wrong, and the provider's words for it.
_BAD_KEY: Final = "authentication_error"
_BAD_KEYS: Final = {"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "UNAUTHENTICATED"}
_TOO_LONG: Final = re.compile(
    r"token count[^.]* exceeds the maximum|exceeds? the maximum number of (?:input )?tokens", re.I
)


def neutral(error: Exception) -> Exception:
    """`error` without the SDK's types. Any other exception stays as it is."""
    match error:
        case errors.APIError():
            headers = getattr(error.response, "headers", None)
            body = error.details if isinstance(error.details, dict) else {}
            return reported(body, error.code, headers if isinstance(headers, Mapping) else {})
        case errors.UnknownApiResponseError():
            # The body of an error that is no JSON.
            return ProviderError("")
        case _:
            return error


def reported(
    body: dict[str, Any], status: int | None = None, headers: Mapping[str, str] | None = None
) -> ProviderError:
    """The failure in the body of a response, or in an event of a stream."""
    error = body.get("error", body)
    error = error if isinstance(error, dict) else {"message": error}
    message = error.get("message")
    message = message if isinstance(message, str) else ""
    given, named = error.get("code"), error.get("status")
    status = status or (given if isinstance(given, int) and 400 <= given < 600 else None)
    found = error.get("details")
    details = [detail for detail in found if isinstance(detail, dict)] if isinstance(found, list) else []
    told = dict(headers or {})
    if "retry-after" not in told and (delay := next(_delays(details), None)) is not None:
        told["retry-after"] = delay
    code = _code(details, message, named, status)
    return ProviderError(
        message,
        code=code,
        kind=named if isinstance(named, str) else None,
        # A key that is wrong is a 400 here. The code says it better.
        status=None if code == _BAD_KEY else status,
        headers=told,
        details=body,
    )


def _code(details: list[dict[str, Any]], message: str, named: object, status: int | None) -> str | None:
    reasons = [reason for detail in details if isinstance(reason := detail.get("reason"), str)]
    if _BAD_KEYS & {*reasons, str(named)} or "api key not valid" in message.lower():
        return _BAD_KEY
    if _TOO_LONG.search(message):
        return "context_length_exceeded"
    if any("PerDay" in quota for quota in _quotas(details)):
        # Nothing is left until tomorrow.
        return "insufficient_quota"
    if status == 503 and "overloaded" in message.lower():
        return "server_is_overloaded"
    return next(iter(reasons), None)


def _delays(details: list[dict[str, Any]]) -> Iterator[str]:
    for detail in details:
        delay = member(detail, "retryDelay")
        if isinstance(delay, str) and (match := _DELAY.fullmatch(delay.strip())):
            yield match[1]


def _quotas(details: list[dict[str, Any]]) -> Iterator[str]:
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            quota = member(violation, "quotaId") if isinstance(violation, dict) else None
            if isinstance(quota, str):
                yield quota
