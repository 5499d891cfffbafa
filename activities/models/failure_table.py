"""The error table of model calls, as data: what each kind of failure is called and whether it is tried again, and the
providers' codes that mean it. `failures` applies it.
"""

from dataclasses import dataclass
from typing import Final

from perdure.workflows.vocabulary import errors


@dataclass(frozen=True, slots=True)
class Kind:
    words: str
    retry: bool = False
    #: Expected now and then: logged quietly, counted in no failure metric.
    benign: bool = False
    #: Whether the provider's own text helps the reader.
    quote: bool = True


KINDS: Final = {
    errors.MODEL_RATE_LIMITED: Kind("takes no more requests for now", retry=True, benign=True, quote=False),
    errors.MODEL_OVERLOADED: Kind("is overloaded", retry=True, benign=True, quote=False),
    errors.MODEL_SERVER_ERROR: Kind("failed on its side", retry=True, benign=True),
    errors.MODEL_CONNECTION: Kind("cannot be reached, or dropped the connection", retry=True, benign=True),
    errors.MODEL_TIMEOUT: Kind("did not answer in time", retry=True, benign=True),
    errors.MODEL_STREAM_TRUNCATED: Kind("broke off in mid-answer", retry=True, benign=True),
    errors.MODEL_ABORTED: Kind("gave up in mid-answer", retry=True, benign=True),
    errors.MODEL_CONTEXT_LENGTH: Kind("finds the conversation too long", benign=True),
    errors.MODEL_CONTENT_POLICY: Kind("declines the content of this request", benign=True),
    errors.MODEL_QUOTA: Kind("says that the account's quota or credit is used up"),
    errors.MODEL_AUTH: Kind("does not accept the API key", quote=False),
    errors.MODEL_NOT_FOUND: Kind("does not know this model or address"),
    errors.MODEL_REQUEST_TOO_LARGE: Kind("finds the request too large"),
    errors.MODEL_INVALID_REQUEST: Kind("refuses the request"),
    errors.MODEL_NO_KEY: Kind("cannot be asked"),
    errors.MODEL_UNEXPECTED: Kind("could not be asked, for an unexpected reason", retry=True),
}

#: The HTTP status that an error event in a stream would have had.
STATUS_OF_CODE: Final = {
    "data_residency_mismatch": 400,
    "invalid_encrypted_content": 400,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "service_unavailable": 503,
    "server_is_overloaded": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
}
QUOTA: Final = {
    "billing_error",
    "billing_hard_limit_reached",
    "contract_spend_limit_reached",
    "credit_balance_exhausted",
    "enforced_spend_limit_reached",
    "insufficient_quota",
    "linked_organization_spend_limit_reached",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "project_spend_limit_exceeded",
}
POLICY: Final = {
    "bio_policy",
    "content_filter",
    "content_policy_violation",
    "cyber_policy",
    "image_content_policy_violation",
    "invalid_prompt",
    "misalignment_policy_violation",
}
TOO_LONG: Final = {"context_length_exceeded", "exceed_context_size_error"}
TOO_LONG_WORDS: Final = (
    "prompt is too long",
    "maximum context length",
    "exceeds the available context size",
    "exceed context limit",
)
OVERLOADED: Final = {"overloaded_error", "server_is_overloaded"}
RATE: Final = {"rate_limit_error", "rate_limit_exceeded"}
BY_STATUS: Final = {
    401: errors.MODEL_AUTH,
    403: errors.MODEL_AUTH,
    404: errors.MODEL_NOT_FOUND,
    413: errors.MODEL_REQUEST_TOO_LARGE,
}
