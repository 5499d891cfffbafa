"""How values become Temporal payloads: pydantic's JSON, and the blob store for payloads too large for a history.

Worker, gateway and replayer must use the same converter. Large parts are folded much earlier
(`perdure.temporal.stores.blobs`). This is the safety net for values that were not folded, and for the state that a
session carries over when it continues as new.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

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

from perdure.temporal.blob_address import BlobAddress
from perdure.temporal.stores.blobs import BlobKeyInvalid, BlobStore, check_key
from perdure.temporal.stores.opened import open_blobs
from perdure.temporal.telemetry.redaction import discreet

#: Payloads of at least this many bytes go to the blob store. Pages of queries stay below it.
EXTERNAL_FROM = 256 * 1024

#: The folder for payloads that belong to no session: those of other workflows, whose ids have another form.
_UNOWNED = "~"


def data_converter(blobs: BlobAddress | None) -> DataConverter:
    """The converter of every client, worker and replayer. Without `blobs`, all payloads stay inline.

    Raises `BucketUnusable`."""
    if blobs is None:
        return discreet(pydantic_data_converter)
    storage = ExternalStorage(
        drivers=[BlobDriver(open_blobs(blobs, cache_bytes=8 * 1024 * 1024))],
        payload_size_threshold=EXTERNAL_FROM,
    )
    return dataclasses.replace(discreet(pydantic_data_converter), external_storage=storage)


class BlobDriver(StorageDriver):
    """Stores payloads as `{tenant}/{session}/x-{sha256}`, so that erasing a session erases its payloads."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def name(self) -> str:
        # Histories contain this name: under another name, stored payloads are unreadable.
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
    # The target of an activity's input and result is its workflow; only a standalone activity is its own target.
    target = context.target
    workflow_id = target.id if isinstance(target, StorageDriverWorkflowInfo) else None
    if workflow_id is None or workflow_id.count("/") != 1:
        return _UNOWNED
    try:
        check_key(workflow_id)
    except BlobKeyInvalid:
        return _UNOWNED
    return workflow_id
