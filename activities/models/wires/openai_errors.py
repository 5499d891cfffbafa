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
                code=error.code,
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


def _text(error: openai.APIError) -> str:
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
