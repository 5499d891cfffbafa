"""What is left of a content's hash where many have to be kept: enough to tell a repeat from another content. Pure."""

import hashlib
from typing import Final

#: Characters of a mark; a whole hash is longer.
MARK: Final = 4


def mark_of(content_sha256: str) -> str:
    """Two bytes of a hash of the hash, as hex."""
    return hashlib.sha256(content_sha256.encode()).hexdigest()[:MARK]


def is_same(known: str, content_sha256: str) -> bool:
    """Whether `known`, a content's hash or the mark of one, is of this content."""
    return known == (mark_of(content_sha256) if len(known) == MARK else content_sha256)
