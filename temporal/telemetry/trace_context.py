"""A caller's span, as W3C Trace Context writes it in the header `traceparent`: version, trace id, span id, flags.

Nothing here needs OpenTelemetry's SDK, so a gateway passes it on whether or not it makes spans itself.
"""

import re
from contextvars import Context
from typing import Final

from opentelemetry import context as spans

_FORM: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def read_traceparent(value: str | None) -> str | None:
    """The header's value as version 00 writes it; None where there is none, or it is not valid."""
    match = _FORM.fullmatch(value.strip()) if value and len(value) <= 512 else None
    if match is None or (match[4] and value is not None and value.strip().startswith("00")):
        return None
    return f"00-{match[1]}-{match[2]}-{match[3]}"


def parts_of(traceparent: str) -> tuple[int, int, int]:
    """Trace id, span id and flags of what `read_traceparent` gave. Raises ValueError for anything else."""
    match = _FORM.fullmatch(traceparent)
    if match is None:
        raise ValueError("not a traceparent")
    return int(match[1], 16), int(match[2], 16), int(match[3], 16)


def of_this_span() -> Context:
    """A fresh context for a task that outlives its caller, with nothing of the caller's but the span that is current."""
    made = Context()
    made.run(spans.attach, spans.get_current())
    return made
