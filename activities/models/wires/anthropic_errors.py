"""Exceptions of the anthropic SDK as those that `failure_kinds.classify` knows."""

from typing import Any

import anthropic

from perdure.activities.models.failures import ProviderError, Unreachable


def neutral(error: Exception) -> Exception:
    """`error` without the SDK's types. Any other exception stays as it is."""
    match error:
        case anthropic.APITimeoutError():
            return TimeoutError()
        case anthropic.APIConnectionError():
            return Unreachable(error.__cause__)
        case anthropic.APIStatusError():
            return ProviderError(
                error.api_message or _text(error.body),
                code=error.error_code,
                kind=error.type,
                status=error.status_code,
                headers=error.response.headers,
                details=error.body,
            )
        case _:
            return error


def _text(body: Any) -> str:
    """What a server says that has no error object: `message` (Amazon Bedrock), `detail` (all on FastAPI), or a text."""
    if isinstance(body, dict):
        told = (body.get(name) for name in ("message", "Message", "detail", "error"))
        body = next((text for text in told if isinstance(text, str) and text), "")
    return body if isinstance(body, str) else ""
