"""What only one server can have made: signatures, encrypted reasoning, and ids of calls. Pure.

Each names its server and hashes what it belongs to. So a server knows its own, sees what was altered, and refuses what
another server made.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import Final

_SEAL: Final = re.compile(r"fake\.([a-z-]+)\.[0-9a-f]{16}")
#: A seal in Base64, which begins as all of them do.
_WRAPPED: Final = re.compile(r"ZmFrZS[A-Za-z0-9+/_-]+=*")
_FIELDS: Final = {"mark": "(?P<mark>[0-9a-f]{%d})", "seen": r"\d{3}", "n": r"\d", "name": r"[A-Za-z0-9_-]+"}


def seal(server: str, *content: str) -> str:
    """The signature of `server` on `content`."""
    return f"fake.{server}.{_digest(server, *content)[:16]}"


def mark(server: str, reasoning: str) -> str:
    """Eight digits that tie an id of a call to the reasoning that led to it."""
    return _digest(server, reasoning)[:8]


def wrapped(sealed: str) -> str:
    """A seal where the API takes bytes."""
    return base64.b64encode(sealed.encode()).decode()


def sealed_by(text: str) -> set[str]:
    """The servers whose seals occur in `text`."""
    found = set(_SEAL.findall(text))
    for inner in _WRAPPED.findall(text):
        padded = inner.replace("-", "+").replace("_", "/").rstrip("=")
        decoded = base64.b64decode(padded + "=" * (-len(padded) % 4)).decode(errors="replace")
        found |= set(_SEAL.findall(decoded))
    return found


@dataclass(frozen=True)
class CallIds:
    """How a server names the calls that it makes."""

    #: With the fields `name` (the tool's), `n` (counts from 0 in an answer), `seen` (messages of the request) and `mark`.
    form: str

    def make(self, server: str, reasoning: str, seen: int, name: str, n: int) -> str:
        return self.form.format(mark=mark(server, reasoning), seen=seen % 1000, name=name, n=n)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the server's ids look like."""
        written = ""
        for literal, name, spec, _ in Formatter().parse(self.form):
            written += re.escape(literal)
            if name == "mark":
                written += _FIELDS[name] % int((spec or ".8").removeprefix("."))
            elif name:
                written += _FIELDS[name]
        return re.compile(written)

    def owns(self, call_id: str) -> bool:
        return self.pattern.fullmatch(call_id) is not None

    def led_by(self, call_id: str, server: str, reasoning: str) -> bool:
        """Whether the server's own call with this id followed `reasoning`, or no reasoning at all."""
        found = self.pattern.fullmatch(call_id)
        digits = found.groupdict().get("mark") if found else None
        return digits is None or any(mark(server, text).startswith(digits) for text in (reasoning, ""))


def _digest(*content: str) -> str:
    return hashlib.sha256("\n".join(content).encode()).hexdigest()
