"""Exceptions of the openai SDK as those that `failure_kinds.classify` knows."""

import openai

from perdure.activities.models.failures import ProviderError, Unreachable


def neutral(error: Exception) -> Exception:
    """`error` without the SDK's types. Any other exception stays as it is."""
    match error:
        case openai.APITimeoutError():
            return TimeoutError()
        case openai.APIConnectionError():
            return Unreachable(error.__cause__)
        case openai.APIStatusError():
            return ProviderError(
                _text(error),
                code=_code(error),
                kind=error.type,
                status=error.status_code,
                headers=error.response.headers,
                details=error.body,
            )
        case openai.APIError():
            # An error event in a stream.
            text = _text(error) if isinstance(error.body, dict | str) else error.message
            return ProviderError(text, code=error.code, kind=error.type)
        case _:
            return error


def _code(error: openai.APIError) -> str | None:
    return "content_filter" if _filtered(error.body) is not None else error.code


def _filtered(body: object) -> list[str] | None:
    """What Azure's content filter objects to; None: the error is none of its."""
    outer = body if isinstance(body, dict) else {}
    inner = outer.get("innererror")
    if not isinstance(inner, dict) or inner.get("code") != "ResponsibleAIPolicyViolation":
        return None
    verdicts = inner.get("content_filter_result")
    return [
        f"{name}: {verdict['severity']}" if isinstance(verdict.get("severity"), str) else str(name)
        for name, verdict in (verdicts if isinstance(verdicts, dict) else {}).items()
        if isinstance(verdict, dict) and verdict.get("filtered") is True
    ]


def _text(error: openai.APIError) -> str:
    said, filtered = _message(error), _filtered(error.body)
    return f"{said} ({', '.join(filtered)})" if filtered else said


def _message(error: openai.APIError) -> str:
    body = error.body
    if isinstance(body, list) and body:
        # Google's endpoint answers with a list.
        body = body[0]
    if isinstance(body, dict):
        # Compatible servers nest it, or do not.
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        return message if isinstance(message, str) else ""
    return body if isinstance(body, str) else ""
