"""From an exception to a `ModelFailure`: its kind, whether it is retried, and its message.

Rule 1: every failure of a provider leaves a wire through `classify`. Nothing else decides on retries or words.
Rule 2: a code that the provider names comes before its words, and both before the HTTP status, which vendors use as they
like.
Rule 3: the message is for people. It never holds a key, a header or an address. What looks like a key is redacted. Of a key
that is refused it names the variable.
"""

import dataclasses
import email.utils
import json
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import httpx2

from perdure.activities.encoding.unpacking import NotUnpackable, TooMuch
from perdure.activities.models.error_texts import codes_in, text_in
from perdure.activities.models.failure_table import (
    BY_CODE,
    BY_STATUS,
    KINDS,
    OVERLOADED,
    RATE,
    STATUS_OF_CODE,
    about_key,
)
from perdure.activities.models.failure_words import kind_in, wait_in
from perdure.activities.models.failures import (
    AnswerAborted,
    ModelFailed,
    ModelFailure,
    NoAnswer,
    NotSetUp,
    ProviderError,
    Source,
    StreamTruncated,
    Unreachable,
)
from perdure.activities.models.window_words import sizes_in
from perdure.temporal.definitions.references import MissingVariable
from perdure.temporal.telemetry.redaction import redacted
from perdure.workflows.vocabulary import errors

#: A provider that asks for a longer wait is tried again after this.
LONGEST_WAIT: Final = timedelta(minutes=10)

_KEYS: Final = re.compile(
    r"(?i)(?:(?:api[ _-]?key|authorization|auth[ _-]token)(?:\s+provided)?['\"]?\s*[:=]\s*(?:bearer\s+)?|bearer\s+)\S+"
    r"|\b(?:sk|pk|gsk|xai|hf|key)[-_][A-Za-z0-9_*.-]{6,}"
    r"|\bAIza[\w-]{10,}"
    r"|://[^/\s@]+@"
    r"|\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}"
)


def classify(error: BaseException, source: Source) -> ModelFailure:
    """The failure of a call to `source` that ended with `error`, an exception of no SDK. A `ModelFailed` keeps its own."""
    match error:
        case ModelFailed():
            return error.failure
        case MissingVariable():
            return _failure(errors.MODEL_NO_KEY, source, text=f"the environment variable {error} is not set")
        case NotSetUp():
            return _failure(errors.MODEL_NO_KEY, source, text=str(error))
        case AnswerAborted():
            return _failure(errors.MODEL_ABORTED, source, text=f"it ended with {str(error)!r}")
        case NoAnswer():
            return _unanswered(error, source)
        case StreamTruncated():
            return _failure(errors.MODEL_STREAM_TRUNCATED, source)
        case json.JSONDecodeError():
            # What the server writes, it writes again.
            return _failure(errors.MODEL_STREAM_TRUNCATED, source, most_broken=2)
        case httpx2.TimeoutException() | TimeoutError():
            return _failure(errors.MODEL_TIMEOUT, source)
        case Unreachable():
            return _unreachable(error.cause, source)
        case httpx2.TransportError() | httpx2.InvalidURL() | OSError():
            return _unreachable(error, source)
        case ProviderError():
            return _reported(error, source)
        case _:
            # Its text may hold anything, so only its class is named.
            return _failure(errors.MODEL_UNEXPECTED, source, text=type(error).__name__)


def withheld(kind: str, source: Source, wait: timedelta) -> ModelFailure:
    """The failure of a call that was not made, because it would have failed; it may be made after `wait`."""
    return _failure(kind, source, delay=wait)


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


def _capped(wait: timedelta | None) -> timedelta | None:
    return None if wait is None else min(wait, LONGEST_WAIT)


def _seconds(value: str) -> float:
    date = email.utils.parsedate_tz(value)
    return email.utils.mktime_tz(date) - time.time() if date else float(value)


def _reported(error: ProviderError, source: Source) -> ModelFailure:
    """Rows of the table that depend on what the provider said."""
    text = str(error) or text_in(error.details)
    codes = {code.lower() for code in error.codes | codes_in(error.details)}
    reported = _status(error)
    status = reported or 500
    again = error.headers.get("x-should-retry")
    retry: bool | None = None
    said = next((kind for known, kind in BY_CODE if codes & known), None) or kind_in(text, reported)
    if status == 402:
        # OpenRouter also says so of a prompt that is longer than an account without credit may send.
        kind = errors.MODEL_CONTEXT_LENGTH if said == errors.MODEL_CONTEXT_LENGTH else errors.MODEL_QUOTA
    elif said is not None and said != errors.MODEL_OVERLOADED:
        kind = said
    elif said is not None or codes & OVERLOADED or status == 529:
        kind, retry = errors.MODEL_OVERLOADED, again != "false"
    elif codes & RATE or status == 429:
        kind, retry = errors.MODEL_RATE_LIMITED, again != "false"
    elif status in (408, 409) or status >= 500:
        kind, retry = errors.MODEL_SERVER_ERROR, again != "false"
    else:
        kind, retry = BY_STATUS.get(status, errors.MODEL_INVALID_REQUEST), again == "true"
    failure = _failure(
        kind,
        source,
        text=text,
        status=reported,
        code=min(sorted(error.codes), default=None, key=lambda code: code in STATUS_OF_CODE),
        retry=retry,
        delay=retry_after(error.headers) or _capped(wait_in(text)),
        # An error inside a response that began well, of which nothing is known.
        most_broken=2 if reported is None and kind == errors.MODEL_SERVER_ERROR else None,
    )
    if kind not in (errors.MODEL_CONTEXT_LENGTH, errors.MODEL_REQUEST_TOO_LARGE):
        return failure
    sizes = sizes_in(text, error.details)
    window = sizes.window if kind == errors.MODEL_CONTEXT_LENGTH else None
    return dataclasses.replace(failure, window=window, tokens=sizes.request)


def _unanswered(error: NoAnswer, source: Source) -> ModelFailure:
    """What the body says decides, as with any error. A body that says nothing known comes again, and is paid for again."""
    text = str(error)
    if error.details is not None:
        told = ProviderError(text, code=error.code, status=error.status, details=error.details)
        reported = _reported(told, source)
        if reported.kind != errors.MODEL_SERVER_ERROR:
            return reported
    words = "sent no answer" if text else "sent an empty response in place of an answer"
    return _failure(errors.MODEL_STREAM_TRUNCATED, source, words=words, text=text, most_broken=2)


def _status(error: ProviderError) -> int | None:
    if error.status is not None and error.status >= 400:
        return error.status
    # An error inside a stream that began well. Some servers give a status as its code.
    numbers = (int(code) for code in error.codes if code.isdigit() and len(code) == 3)
    known = (STATUS_OF_CODE[code] for code in sorted(error.codes) if code in STATUS_OF_CODE)
    return next(numbers, None) or next(known, None)


def _unreachable(cause: BaseException | None, source: Source) -> ModelFailure:
    match cause:
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return _failure(errors.MODEL_INVALID_REQUEST, source, text="its base_url is not a valid URL")
        case httpx2.LocalProtocolError():
            text = "the API key holds a character that is not allowed in a key"
            return _failure(errors.MODEL_INVALID_REQUEST, source, text=text)
        case TooMuch() | NotUnpackable():
            return _failure(errors.MODEL_UNEXPECTED, source, text=str(cause), retry=False)
        case _:
            return _failure(errors.MODEL_CONNECTION, source)


def _failure(
    kind: str,
    source: Source,
    *,
    text: str = "",
    status: int | None = None,
    code: str | None = None,
    retry: bool | None = None,
    delay: timedelta | None = None,
    most_broken: int | None = None,
    words: str | None = None,
) -> ModelFailure:
    row = KINDS[kind]
    retry = row.retry if retry is None else retry
    if kind == errors.MODEL_AUTH:
        words = about_key(source.keys)
    message = f"{source.name} {words or row.words}" + (f" ({status})" if status else "")
    # A proxy's error page helps nobody.
    if row.quote and text and not text.lstrip().startswith("<"):
        message += f": {redact(text)}"
    if row.advice:
        message = f"{message.rstrip('.')}. {row.advice}"
    return ModelFailure(
        kind=kind,
        message=message,
        provider=source.provider,
        status=status,
        code=code,
        retryable=retry,
        retry_after=delay if retry else None,
        most_attempts=row.most_attempts,
        most_broken=most_broken or row.most_broken,
        request="unknown" if row.may_be_charged else "refused",
        benign=row.benign,
    )
