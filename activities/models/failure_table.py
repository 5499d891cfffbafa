"""The error table of model calls, as data: the words for each kind of failure, whether it is tried again, and the providers'
codes for it. `failure_kinds` applies it.
"""

from dataclasses import dataclass
from typing import Final

from perdure.workflows.vocabulary import errors


@dataclass(frozen=True, slots=True)
class Kind:
    #: What stands behind the provider's name in the message.
    words: str
    #: The same request may succeed later.
    retry: bool = False
    #: Expected now and then: logged quietly, and not counted as an error.
    benign: bool = False
    #: The provider's own text helps the reader.
    quote: bool = True
    #: What the reader can do about it.
    advice: str = ""
    #: Attempts after which a kind that is retried is final. Each of them may have been paid for.
    most_attempts: int | None = None
    #: Attempts that broke off in mid-answer after which a kind that is retried is final. None: as any other.
    most_broken: int | None = None
    #: The provider may have worked on an answer that never came.
    may_be_charged: bool = False


KINDS: Final = {
    errors.MODEL_RATE_LIMITED: Kind("takes no more requests for now", retry=True, benign=True, quote=False),
    errors.MODEL_OVERLOADED: Kind("is overloaded", retry=True, benign=True, quote=False),
    errors.MODEL_SERVER_ERROR: Kind("failed on its side", retry=True, benign=True),
    errors.MODEL_CONNECTION: Kind("cannot be reached, or dropped the connection", retry=True, benign=True),
    errors.MODEL_TIMEOUT: Kind("did not answer in time", retry=True, benign=True, may_be_charged=True),
    errors.MODEL_STREAM_TRUNCATED: Kind("broke off in mid-answer", retry=True, benign=True),
    errors.MODEL_ABORTED: Kind("gave up in mid-answer", retry=True, benign=True, most_attempts=3),
    errors.MODEL_CONTEXT_LENGTH: Kind(
        "finds the conversation too long",
        benign=True,
        advice="Start a new session, fork this one from an earlier turn, or use a model with a larger context window.",
    ),
    errors.MODEL_CONTENT_POLICY: Kind("declines the content of this request", benign=True),
    errors.MODEL_QUOTA: Kind("says that the account's quota or credit is used up"),
    errors.MODEL_AUTH: Kind("does not accept the API key", quote=False),
    errors.MODEL_NOT_FOUND: Kind("does not know this model or address"),
    errors.MODEL_REQUEST_TOO_LARGE: Kind(
        "finds the request too large", advice="Send less or smaller files, or start a new session."
    ),
    errors.MODEL_INVALID_REQUEST: Kind("refuses the request"),
    errors.MODEL_NO_KEY: Kind("cannot be asked"),
    errors.MODEL_UNEXPECTED: Kind("could not be asked, for an unexpected reason", retry=True, most_broken=2),
    errors.MODEL_UNAVAILABLE: Kind(
        "has failed again and again, so it is not asked for a while", retry=True, benign=True
    ),
}


def about_key(variables: tuple[str, ...] | None) -> str:
    """The words for a key that is refused, which came from these `variables`. (): there was no key. None: nobody can say."""
    if variables is None:
        return KINDS[errors.MODEL_AUTH].words
    if not variables:
        return "does not accept a call without an API key"
    return f"{KINDS[errors.MODEL_AUTH].words} in {' and '.join(variables)}"


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
#: Codes, in lower case.
QUOTA: Final = {
    "allocationquota.freetieronly",
    "arrearage",
    "billing_disabled",
    "billing_error",
    "billing_not_active",
    "budget_exceeded",
    "billing_hard_limit_reached",
    "contract_spend_limit_reached",
    "credit_balance_exhausted",
    "enforced_spend_limit_reached",
    "exceeded_current_quota_error",
    "insufficient_balance",
    "insufficient_balance_error",
    "insufficient_credits",
    "insufficient_funds",
    "insufficient_quota",
    "insufficient_user_quota",
    "invalid_payment_instrument",
    "linked_organization_spend_limit_reached",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "payment_required",
    "project_spend_limit_exceeded",
}
POLICY: Final = {
    "bio_policy",
    "content_filter",
    "content_filter_error",
    "content_policy_violation",
    "cyber_policy",
    "data_inspection_failed",
    "datainspectionfailed",
    "image_content_policy_violation",
    "invalid_prompt",
    "misalignment_policy_violation",
    "responsibleaipolicyviolation",
}
TOO_LONG: Final = {
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size_error",
    "model_context_window_exceeded",
    "tokens_limit_reached",
}
KEY: Final = {"api_key_invalid", "expired_api_key", "invalid_api_key", "invalid_authentication", "missing_api_key"}
UNKNOWN_MODEL: Final = {"deploymentnotfound", "invalid_model", "model_decommissioned", "model_not_found"}
OVERLOADED: Final = {
    "engine_overloaded_error",
    "model_overloaded",
    "overloaded",
    "overloaded_error",
    "server_is_overloaded",
    "server_overloaded",
}
RATE: Final = {
    "rate_limit_error",
    "rate_limit_exceeded",
    "rate_limit_reached_error",
    "resource_exhausted",
    "throttlingexception",
}
BY_STATUS: Final = {
    401: errors.MODEL_AUTH,
    403: errors.MODEL_AUTH,
    404: errors.MODEL_NOT_FOUND,
    413: errors.MODEL_REQUEST_TOO_LARGE,
}
#: What a code says, before any words are looked at; the first counts.
BY_CODE: Final = (
    (QUOTA, errors.MODEL_QUOTA),
    (TOO_LONG, errors.MODEL_CONTEXT_LENGTH),
    (POLICY, errors.MODEL_CONTENT_POLICY),
    (KEY, errors.MODEL_AUTH),
    (UNKNOWN_MODEL, errors.MODEL_NOT_FOUND),
)
