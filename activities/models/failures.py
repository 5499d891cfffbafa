"""The one table of what can go wrong with a model call, and what is then done.

Rule 1: every failure of a provider leaves a wire as `classify(error)`; nothing else decides on retry or words.
Rule 2: a code that the provider names comes before the HTTP status, and the provider's wording decides only where no
code exists (a prompt that is too long).
Rule 3: the message is for people. It never holds a key, a header or an address; what looks like a key is blotted out.
"""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeGuard

import httpx2
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from perdure.activities.encoding.unpacking import NotUnpackable, TooMuch
from perdure.activities.models import sdks
from perdure.activities.models.failure_table import (
    BY_STATUS,
    KINDS,
    OVERLOADED,
    POLICY,
    QUOTA,
    RATE,
    STATUS_OF_CODE,
    TOO_LONG,
    TOO_LONG_WORDS,
)
from perdure.temporal.definitions.references import MissingVariable
from perdure.temporal.definitions.vendors import OPENAI as OPENAI_VENDOR
from perdure.temporal.telemetry.redaction import redacted
from perdure.workflows.vocabulary import errors

if TYPE_CHECKING:
    import anthropic
    import openai

#: A provider that asks for more patience than this is tried again after this.
LONGEST_WAIT: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Provider:
    """Who failed: `id` as in a definition's `use`, `name` as people call it."""

    id: str
    name: str


ANTHROPIC: Final = Provider("anthropic", "Anthropic")
OPENAI: Final = Provider("openai-chat", "OpenAI")
#: Any server that speaks Chat Completions; its address may be a secret, so it stays nameless.
MODEL_SERVER: Final = Provider("openai-chat", "The model server")
#: The same two, asked by the Responses API.
OPENAI_RESPONSES: Final = Provider("openai", "OpenAI")
RESPONSES_SERVER: Final = Provider("openai", "The model server")
DEMO: Final = Provider("demo", "The demo model")
UNKNOWN: Final = Provider("unknown", "The model provider")


class StreamTruncated(Exception):
    """The stream ended without its terminal event."""


class AnswerAborted(Exception):
    """The server ended its answer with a word that says that it gave the answer up; the message is that word."""


class ProviderError(Exception):
    """A failure that the provider reported in a way that its SDK does not raise.

    `retry_after` is in seconds.
    """

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None, retry_after: float = 0):
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after


_KEYS: Final = re.compile(
    r"(?i)(?:(?:api[ _-]?key|authorization|auth[ _-]token)(?:\s+provided)?['\"]?\s*[:=]\s*(?:bearer\s+)?|bearer\s+)\S+"
    r"|\b(?:sk|pk|gsk|xai|hf|key)[-_][A-Za-z0-9_*.-]{6,}"
    r"|\bAIza[\w-]{10,}"
    r"|://[^/\s@]+@"
    r"|\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}"
)


@dataclass(frozen=True, slots=True)
class _Facts:
    status: int | None
    codes: frozenset[str]
    text: str
    headers: Mapping[str, str]


def classify(error: BaseException, provider: Provider | None = None) -> ApplicationError:
    """`error` as Temporal should see it: type, retry or not, delay, and one dict of details {status, code, provider}.

    `provider` names who was asked, for failures that do not say so themselves. An `ApplicationError` stays as it is.
    """
    if isinstance(error, ApplicationError):
        return error
    who = provider or _guess(error)
    match error:
        case MissingVariable():
            return _failure(errors.MODEL_NO_KEY, who, text=f"the environment variable {error} is not set")
        case AnswerAborted():
            return _failure(errors.MODEL_ABORTED, who, text=f"it ended with {str(error)!r}")
        case StreamTruncated() | json.JSONDecodeError():
            return _failure(errors.MODEL_STREAM_TRUNCATED, who)
        case httpx2.TimeoutException() | TimeoutError():
            return _failure(errors.MODEL_TIMEOUT, who)
        case _ if isinstance(error, sdks.classes("openai.APITimeoutError", "anthropic.APITimeoutError")):
            return _failure(errors.MODEL_TIMEOUT, who)
        case _ if isinstance(error, sdks.classes("openai.APIConnectionError", "anthropic.APIConnectionError")):
            return _unreachable(error.__cause__, who)
        case httpx2.TransportError() | httpx2.InvalidURL() | OSError():
            return _unreachable(error, who)
        case _ if isinstance(error, ProviderError) or _is_anthropic(error) or _is_openai(error):
            return _reported(_facts(error), who)
        case _:
            # Its text may hold anything, so only its name is told.
            return _failure(errors.MODEL_UNEXPECTED, who, text=type(error).__name__)


def redact(text: str) -> str:
    """`text` on one line, short, and without what looks like a key."""
    return _KEYS.sub("[redacted]", redacted(" ".join(text.split())))[:500]


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long the provider asks to wait (`retry-after-ms`, or `retry-after` in seconds or as a date), capped."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = _seconds(headers.get("retry-after", "0"))
    except ValueError:
        return None
    return timedelta(seconds=min(seconds, LONGEST_WAIT.total_seconds())) if seconds > 0 else None


def _seconds(value: str) -> float:
    date = email.utils.parsedate_tz(value)
    return email.utils.mktime_tz(date) - time.time() if date else float(value)


def _reported(facts: _Facts, who: Provider) -> ApplicationError:
    """Rows of the table that depend on what the provider said."""
    codes, status, text = facts.codes, facts.status or 500, facts.text.lower()
    again = facts.headers.get("x-should-retry")
    retry: bool | None = None
    if codes & QUOTA or status == 402:
        kind = errors.MODEL_QUOTA
    elif codes & TOO_LONG or (status in (400, 413, 422) and any(words in text for words in TOO_LONG_WORDS)):
        kind = errors.MODEL_CONTEXT_LENGTH
    elif codes & POLICY:
        kind = errors.MODEL_CONTENT_POLICY
    elif codes & OVERLOADED or status == 529:
        kind, retry = errors.MODEL_OVERLOADED, again != "false"
    elif codes & RATE or status == 429:
        kind, retry = errors.MODEL_RATE_LIMITED, again != "false"
    elif status in (408, 409) or status >= 500:
        kind, retry = errors.MODEL_SERVER_ERROR, again != "false"
    else:
        kind, retry = BY_STATUS.get(status, errors.MODEL_INVALID_REQUEST), again == "true"
    return _failure(
        kind,
        who,
        text=facts.text,
        status=facts.status,
        code=min(sorted(codes), default=None, key=lambda code: code in STATUS_OF_CODE),
        retry=retry,
        delay=retry_after(facts.headers),
    )


def _unreachable(cause: BaseException | None, who: Provider) -> ApplicationError:
    match cause:
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return _failure(errors.MODEL_INVALID_REQUEST, who, text="its base_url is no valid URL")
        case httpx2.LocalProtocolError():
            return _failure(errors.MODEL_INVALID_REQUEST, who, text="the API key holds a character that none may hold")
        case TooMuch() | NotUnpackable():
            return _failure(errors.MODEL_UNEXPECTED, who, text=str(cause), retry=False)
        case _:
            return _failure(errors.MODEL_CONNECTION, who)


def _failure(
    kind: str,
    who: Provider,
    *,
    text: str = "",
    status: int | None = None,
    code: str | None = None,
    retry: bool | None = None,
    delay: timedelta | None = None,
) -> ApplicationError:
    row = KINDS[kind]
    retry = row.retry if retry is None else retry
    message = f"{who.name} {row.words}" + (f" ({status})" if status else "")
    # A proxy's error page helps nobody.
    if row.quote and text and not text.lstrip().startswith("<"):
        message += f": {redact(text)}"
    return ApplicationError(
        message,
        {"status": status, "code": code, "provider": who.id},
        type=kind,
        non_retryable=not retry,
        next_retry_delay=delay if retry else None,
        category=ApplicationErrorCategory.BENIGN if row.benign else ApplicationErrorCategory.UNSPECIFIED,
    )


def _is_anthropic(error: BaseException) -> "TypeGuard[anthropic.APIStatusError]":
    return isinstance(error, sdks.classes("anthropic.APIStatusError"))


def _is_openai(error: BaseException) -> "TypeGuard[openai.APIError]":
    return isinstance(error, sdks.classes("openai.APIError"))


def _has_response(error: "openai.APIError") -> "TypeGuard[openai.APIStatusError]":
    return isinstance(error, sdks.classes("openai.APIStatusError"))


def _facts(error: "ProviderError | anthropic.APIStatusError | openai.APIError") -> _Facts:
    status: int | None
    headers: Mapping[str, str] = {}
    if isinstance(error, ProviderError):
        raw: tuple[object, ...] = (error.code,)
        status, text = error.status, str(error)
        headers = {"retry-after": str(error.retry_after)}
    elif _is_anthropic(error):
        raw = (error.error_code, error.type)
        status, text = error.status_code, error.api_message or ""
        headers = error.response.headers
    else:
        assert _is_openai(error)
        raw = (error.code, error.type)
        status, text = None, _openai_text(error)
        if _has_response(error):
            status, headers = error.status_code, error.response.headers
    codes = frozenset(str(code) for code in raw if code)
    if status is None or status < 400:
        # An error inside a stream that began well. Some servers give a status as its code.
        numbers = (int(code) for code in codes if code.isdigit() and len(code) == 3)
        known = (STATUS_OF_CODE[code] for code in sorted(codes) if code in STATUS_OF_CODE)
        status = next(numbers, None) or next(known, None)
    return _Facts(status, codes, text, headers)


def _openai_text(error: "openai.APIError") -> str:
    body = error.body
    if isinstance(body, dict):
        # Servers that are merely compatible nest it, or do not.
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        return message if isinstance(message, str) else ""
    return body if isinstance(body, str) else ("" if _has_response(error) else error.message)


def _guess(error: BaseException) -> Provider:
    if isinstance(error, sdks.classes("anthropic.AnthropicError")):
        return ANTHROPIC
    if _is_openai(error):
        return OPENAI if is_openai(str(error.request.url)) else MODEL_SERVER
    return OPENAI if isinstance(error, sdks.classes("openai.OpenAIError")) else UNKNOWN


def is_openai(url: str) -> bool:
    """Whether `url` is OpenAI's own (also a regional one), and not that of a compatible server."""
    return OPENAI_VENDOR.owns(url)
