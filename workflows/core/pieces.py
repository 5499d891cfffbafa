"""Long answers to queries, a piece at a time. Pure."""

import base64
import hashlib
import zlib
from typing import Final

from perdure.workflows.core.sealing import part_of
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.queries import PAGE_BYTES
from perdure.workflows.protocol.sealing import PartPage, PartRequest

#: Bytes of a piece: with it, what else its page holds fits, too.
_PIECE: Final = PAGE_BYTES * 5 // 8


def part(state: SessionState, request: PartRequest) -> PartPage:
    """Of the part that is being sealed."""
    if state.sealing.open is None:
        return PartPage(open=False)
    found = piece(part_of(state).model_dump_json().encode(), request.after, request.sha256)
    return PartPage.model_validate({"open": True, "segments": state.log.segments, **found})


def piece(data: bytes, after: int, sha256: str | None) -> dict[str, object]:
    """Of `data`, compressed, what comes behind the first `after` bytes of what was compressed to this hash."""
    # The fastest level: this runs on the thread that carries sessions.
    packed = zlib.compress(data, level=1)
    digest = hashlib.sha256(packed).hexdigest()
    start = max(after, 0) if sha256 == digest else 0
    found = packed[start : start + _PIECE]
    return {
        "sha256": digest,
        "start": start,
        "data": base64.b64encode(found).decode(),
        "more": start + len(found) < len(packed),
    }
