"""Exceptions of the anthropic SDK as those that `failure_kinds.classify` knows."""

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
                error.api_message or "",
                code=error.error_code,
                kind=error.type,
                status=error.status_code,
                headers=error.response.headers,
                details=error.body,
            )
        case _:
            return error
