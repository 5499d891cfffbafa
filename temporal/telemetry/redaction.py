"""Removes the values of secrets from failures, progress texts and log lines before they leave this process.

A secret is the value, of at least six characters, of a variable that a definition lists in `secrets`, that holds a
provider's key, or whose name marks it: `…_KEY`, or any name that contains TOKEN, SECRET or PASSWORD; and the password
in `PERDURE_LIVE`. It is matched verbatim and as encoded in JSON, URLs, base64 and hex. A tool's result belongs to its
user and is left unchanged.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter

from perdure.temporal.redis_address import redis_address
from perdure.temporal.settings import environment
from perdure.workflows.definition.providers.table import PROVIDERS

HIDDEN: Final = "[hidden]"
#: Shorter values would match in ordinary words.
SHORTEST: Final = 6
#: A value of several lines, such as a certificate's key, is also matched line by line.
_SHORTEST_LINE: Final = 16
_SHORTEST_BASE64: Final = 8

_SECRET_NAME: Final = re.compile(r"_KEY$|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
#: The usual shapes of keys and of credentials in addresses and headers.
_SECRET_LIKE: Final = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{8,}"
    r"|\b(?:gh[pousr]|xox[abprs])[-_][A-Za-z0-9-]{10,}"
    r"|\bA(?:KIA|SIA|Iza)[A-Za-z0-9_-]{12,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?<=\bBearer )\S+|(?<=\bBasic )[A-Za-z0-9+/=]{6,}",
    re.IGNORECASE,
)
#: Variables listed by the definitions of this process.
_listed: set[str] = set()

T = TypeVar("T")


def name_secrets(names: Iterable[str]) -> None:
    """Adds variables whose values are secrets from now on."""
    _listed.update(names)


def redacted(text: str) -> str:
    """`text` with the values of secrets hidden."""
    found = _pattern(_values())
    return text if found is None else found.sub(HIDDEN, text)


def without_secrets(text: str) -> str:
    """`text` without the values of secrets, and without what looks like one."""
    return _SECRET_LIKE.sub(HIDDEN, redacted(text))


def redacted_json(value: T) -> T:
    """`value`, plain JSON, with secrets hidden in each of its strings; all other values stay unchanged."""
    found = _pattern(_values())
    return value if found is None else _redact_strings(value, found)


def discreet(converter: DataConverter) -> DataConverter:
    """`converter`, with secrets hidden in each failure that it writes: messages, stack traces, details and causes."""
    return dataclasses.replace(converter, failure_converter_class=DiscreetFailures)


class DiscreetFailures(DefaultFailureConverter):
    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        found = _pattern(_values())
        if found is not None:
            _redact_failure(failure, found)


def _redact_failure(failure: Failure, found: re.Pattern[str]) -> None:
    failure.message = found.sub(HIDDEN, failure.message)
    failure.stack_trace = found.sub(HIDDEN, failure.stack_trace)
    if failure.HasField("application_failure_info"):
        for payload in failure.application_failure_info.details.payloads:
            payload.data = _redact_bytes(payload.data, found)
    if failure.HasField("cause"):
        _redact_failure(failure.cause, found)


def _redact_bytes(data: bytes, found: re.Pattern[str]) -> bytes:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    if found.search(text) is None:
        return data
    try:
        value = json.loads(text)
    except ValueError:
        return found.sub(HIDDEN, text).encode()
    # String by string, so that the result stays JSON: a number may look like a secret.
    return json.dumps(_redact_strings(value, found), separators=(",", ":"), ensure_ascii=False).encode()


def _redact_strings(value: Any, found: re.Pattern[str]) -> Any:
    match value:
        case str():
            return found.sub(HIDDEN, value)
        case dict():
            return {_redact_strings(key, found): _redact_strings(item, found) for key, item in value.items()}
        case list():
            return [_redact_strings(item, found) for item in value]
        case _ if type(value) is tuple:
            return tuple(_redact_strings(item, found) for item in value)
        case _:
            return value


def _values() -> frozenset[str]:
    """Read on every call: variables may be set while the process runs, and more definitions may list some."""
    given = environment()
    known = _listed | {name for one in PROVIDERS.values() if one.endpoint is not None for name in one.endpoint.keys}
    held = [value for name, value in given.items() if name in known or _SECRET_NAME.search(name) is not None]
    return frozenset(value for value in (*held, _redis_password(given)) if len(value.strip()) >= SHORTEST)


def _redis_password(given: Mapping[str, str]) -> str:
    try:
        return redis_address(given.get("PERDURE_LIVE", "")).password or ""
    except ValueError:
        return ""


@lru_cache(maxsize=16)
def _pattern(values: frozenset[str]) -> re.Pattern[str] | None:
    forms = {form for value in values for form in _encodings(value.strip()) if len(form) >= SHORTEST}
    if not forms:
        return None
    # The longest first, so that no part of a value is left over.
    return re.compile("|".join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form)))))


def _encodings(value: str) -> Iterable[str]:
    data = value.encode(errors="surrogateescape")
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    for write in (quote, quote_plus):
        for safe in ("", "/"):
            quoted = write(data, safe=safe)
            yield quoted
            yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield data.hex()
    yield data.hex().upper()
    for before in range(3):
        # Inside other bytes, as in `user:password`, the first and last base64 characters also encode neighbouring
        # bytes.
        written = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        whole = written[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        if len(whole) >= _SHORTEST_BASE64:
            yield whole
            yield whole.replace("+", "-").replace("/", "_")
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= _SHORTEST_LINE and "-----" not in line)
