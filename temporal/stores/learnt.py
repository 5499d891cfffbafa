"""What workers have found out of a model server, kept in the blob store so that other processes can show it.

Rule: it is for people. No request depends on it, and nothing on its being there.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import structlog
from pydantic import ValidationError

from perdure.temporal.stores.blobs import BlobError, BlobStore
from perdure.workflows.vocabulary.parts import Frozen

log = structlog.get_logger(__name__)


#: Servers and models of which one process keeps something, and changes of each.
_SERVERS: Final = 256
_CHANGES: Final = 24


class _Learnt(Frozen):
    #: As histories name the server (`perdure.temporal.definitions.servers`).
    server: str
    model: str
    changes: tuple[str, ...]


class LearntChanges:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: dict[str, tuple[str, ...]] = {}

    async def add(self, server: str, model: str, changes: Iterable[str]) -> None:
        """Keeps what is changed of requests to this server and model, in short words, beside what was kept of it. Never
        raises."""
        key = _key(server, model)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _SERVERS:
                return
            known = await kept(self._blobs, server, model)
        told = tuple(dict.fromkeys((*known, *changes)))[:_CHANGES]
        if told != self._known.get(key):
            self._known[key] = told
            learnt = _Learnt(server=server, model=model, changes=told)
            try:
                await self._blobs.put(key, learnt.model_dump_json().encode())
            except BlobError as error:
                log.warning("learnt.not_kept", problem=str(error))


async def kept(blobs: BlobStore, server: str, model: str) -> tuple[str, ...]:
    """The changes that workers have kept; none where they have kept nothing, or nothing can be read."""
    try:
        return _Learnt.model_validate_json(await blobs.get(_key(server, model))).changes
    except (BlobError, ValidationError):
        return ()


def _key(server: str, model: str) -> str:
    # Not in the form of a sha256, which would have to be that of the bytes.
    return f"perdure/learnt/model-{hashlib.sha256(f'{server} {model}'.encode()).hexdigest()[:32]}"
