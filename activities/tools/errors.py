"""A tool's exceptions and heartbeat details in a form that Temporal can serialize."""

from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from temporalio.exceptions import ApplicationError

from perdure.activities.encoding.raw_bytes import whole_text, whole_texts
from perdure.temporal.telemetry.redaction import redacted
from perdure.workflows.vocabulary.folding import preview


def is_tellable(error: BaseException) -> bool:
    """Whether Temporal can serialize `error` and its chain of causes as they are."""
    details = error.details if isinstance(error, ApplicationError) else ()
    fine = whole_text(str(error)) == str(error) and all(tellable_detail(detail) is detail for detail in details)
    behind = _behind(error)
    return fine and (behind is None or is_tellable(behind))


def tellable(error: BaseException) -> ApplicationError:
    """`error` without its causes, as an `ApplicationError` that Temporal can serialize. Its type is the class name by
    default.
    """
    if not isinstance(error, ApplicationError):
        kind = type(error).__name__
        return ApplicationError(whole_text(preview(redacted(str(error)))) or kind, type=kind)
    return ApplicationError(
        whole_text(error.message),
        *map(tellable_detail, error.details),
        type=whole_text(error.type) if error.type else None,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        category=error.category,
    )


def tellable_detail(detail: Any) -> Any:
    """A detail of an exception or a heartbeat, or as much of it as can be serialized."""
    if isinstance(detail, bytes):
        return detail
    try:
        to_json(detail)
    except (PydanticSerializationError, ValueError, RecursionError):
        pass
    else:
        return detail
    try:
        cleaned = whole_texts(_without_bytes(detail))
        to_json(cleaned)
    except (PydanticSerializationError, ValueError, RecursionError):
        return whole_text(preview(redacted(repr(detail))))
    return cleaned


def _without_bytes(value: Any) -> Any:
    match value:
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode(errors="replace")
        case dict():
            return {_without_bytes(key): _without_bytes(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_without_bytes(inner) for inner in value]
        case _:
            return value


def _behind(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)
