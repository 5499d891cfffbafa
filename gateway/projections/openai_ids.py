"""Ids of responses: which message of which session one answers, and how often its turn had waited for its caller before.

Rule: an id is opaque to callers, but no secret. Who may read a response is who may read its session.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, replace
from typing import Final, Self

_PREFIX: Final = "resp_"
_ID: Final = re.compile(r"([A-Za-z0-9._~:-]{1,200})/([A-Za-z0-9._~:-]{1,200})(?:/([1-9][0-9]{0,8}))?")


@dataclass(frozen=True, slots=True)
class ResponseId:
    session_id: str
    message_id: str
    #: How often the turn had waited for its caller before: 0 is from the message on.
    part: int = 0

    @classmethod
    def read(cls, given: str) -> Self | None:
        """None where `given` is no response's id."""
        packed = given.removeprefix(_PREFIX)
        if packed == given:
            return None
        try:
            text = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        found = _ID.fullmatch(text)
        if found is None or {found[1], found[2]} & {".", ".."}:
            return None
        read = cls(found[1], found[2], int(found[3] or 0))
        # One id for each response: what only decodes to the same is none.
        return read if str(read) == given else None

    @property
    def next(self) -> Self:
        """The response that the turn goes on with once it has what it waits for."""
        return replace(self, part=self.part + 1)

    @property
    def mark(self) -> str:
        """For the ids of its items, which are unique among all sessions."""
        return hashlib.sha256(self.session_id.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        text = f"{self.session_id}/{self.message_id}" + (f"/{self.part}" if self.part else "")
        return _PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
