"""Errors that servers of OpenAI's APIs report inside a response that began well. Pure and total.

OpenAI sends `{"error": {...}}`, and so do most others. `error` is a mere text, too, or stands in a choice (OpenRouter); vLLM
and Mistral send `{"object": "error"}`, FastAPI `{"detail": ...}`, MiniMax `base_resp`, others a code and a message alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.failures import ProviderError
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.sse_events import SseEvent

_MESSAGES: Final = ("message", "error_msg", "status_msg", "msg", "detail", "error", "reason")
_CODES: Final = ("code", "error_code", "status_code")
#: Words in place of an error that say that there is none.
_FINE: Final = ("", "0", "200", "none", "null", "nil", "ok", "okay", "success", "successful", "succeeded", "no error")
_STATUSES: Final = ("status", "status_code", "statusCode", "http_status", "http_code", "code")
#: Members that tell of an error.
_TOLD: Final = frozenset((*_MESSAGES, *_CODES, *_STATUSES, "type", "metadata"))


def reported(event: SseEvent) -> ProviderError | None:
    """The error that an event of a stream, or the whole body of a response, reports. None: it reports none."""
    if event.kind == "object":
        error = next(_errors(event.value), None)
        if error is not None:
            return _as_error(error)
        if event.name != "error":
            return None
        return _as_error(event.value)
    return _as_error(event.text) if event.name == "error" else None


def failure_in(holder: dict[str, Any]) -> ProviderError:
    """What an object reports that is an error, whatever it says."""
    return reported(SseEvent("object", "error", holder)) or ProviderError("")


def _errors(value: Mapping[str, Any]) -> Iterator[Any]:
    error = value.get("error")
    if not _is_none(error):
        # What stands beside it may say more than a mere text.
        yield error if isinstance(error, Mapping) else {**value, "message": value.get("message") or error}
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and isinstance(choice.get("error"), Mapping) and not _is_none(choice["error"]):
            yield choice["error"]
    if value.get("object") == "error" or value.get("type") == "error":
        yield value
    verdict = value.get("base_resp")
    if isinstance(verdict, Mapping) and verdict.get("status_code") not in (0, None, "0"):
        yield verdict
    if choices or value.get("type"):
        return
    errors = value.get("errors")
    if isinstance(errors, list) and errors and not _is_none(errors[0]):
        yield errors[0]
    told = isinstance(value.get("message"), str) and any(value.get(name) for name in _STATUSES)
    if value.get("detail") or (told and not _is_none(value)):
        yield value


def _is_none(error: object) -> bool:
    """Whether it says that there is no error. What it holds besides words and codes does not matter."""
    if not isinstance(error, Mapping):
        return not error or _is_fine(error)
    told = [value for name, value in error.items() if name in _TOLD]
    return all(map(_is_fine, told)) if told else not any(error.values())


def _is_fine(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().strip(".!").lower() in _FINE
    return not value or (type(value) is int and value == 200)


def _as_error(error: Any) -> ProviderError:
    if not isinstance(error, Mapping):
        return ProviderError(_words(error))
    message = next((error[name] for name in _MESSAGES if error.get(name)), "")
    metadata = error.get("metadata")
    # OpenRouter says that a provider failed, and there what it said.
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    text = ": ".join(filter(None, (_words(message), _words(raw))))
    status = next((number for name in _STATUSES if (number := _status(error.get(name)))), None)
    code = next((_words(error[name]) for name in _CODES if error.get(name)), None)
    kind = error.get("type")
    return ProviderError(
        text, code=code, kind=kind if isinstance(kind, str) and kind != "error" else None, status=status
    )


def _words(value: Any) -> str:
    if isinstance(value, str):
        return encodable(value)
    return encodable(compact(value)) if value else ""


def _status(value: Any) -> int | None:
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) == 3 else value
    return number if type(number) is int and 400 <= number < 600 else None
