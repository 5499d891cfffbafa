"""How values become Temporal payloads: pydantic's JSON and, for what is too big for a history, the blob store.

Worker, gateway and replayer must use the same converter. Parts are folded long before
(`perdure.temporal.stores.blobs`); this is the net below, for what nobody folded and for the state that a session
carries over when it continues as new.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from perdure.temporal.stores.blobs import BlobKeyInvalid, BlobStore, LocalBlobs, check_key
from perdure.temporal.telemetry.redaction import discreet

#: Bytes from which a payload goes to the blob store. Pages of queries stay below it.
EXTERNAL_FROM = 256 * 1024

#: Where payloads of no session lie: those of other workflows, under other ids.
_UNOWNED = "~"


def data_converter(blobs_root: Path | None) -> DataConverter:
    """The converter of every client, worker and replayer. Without `blobs_root`, everything stays inline."""
    if blobs_root is None:
        return discreet(pydantic_data_converter)
    storage = ExternalStorage(
        drivers=[BlobDriver(LocalBlobs(blobs_root, cache_bytes=8 * 1024 * 1024))],
        payload_size_threshold=EXTERNAL_FROM,
    )
    return dataclasses.replace(discreet(pydantic_data_converter), external_storage=storage)


class BlobDriver(StorageDriver):
    """Stores payloads as `{tenant}/{session}/x-{sha256}`, so that erasing a session erases them."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def name(self) -> str:
        # Written into histories: another name makes what was stored unreadable.
        return "perdure.blobs"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        folder = _folder(context)
        claims = []
        for payload in payloads:
            data = payload.SerializeToString(deterministic=True)
            key = f"{folder}/x-{hashlib.sha256(data).hexdigest()}"
            await self._blobs.put(key, data)
            claims.append(StorageDriverClaim(claim_data={"key": key}))
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        return [Payload.FromString(await self._blobs.get(claim.claim_data["key"])) for claim in claims]


def _folder(context: StorageDriverStoreContext) -> str:
    # The target of an activity's input and result is the workflow that runs it; only a standalone activity is its own.
    target = context.target
    workflow_id = target.id if isinstance(target, StorageDriverWorkflowInfo) else None
    if workflow_id is None or workflow_id.count("/") != 1:
        return _UNOWNED
    try:
        check_key(workflow_id)
    except BlobKeyInvalid:
        return _UNOWNED
    return workflow_id
