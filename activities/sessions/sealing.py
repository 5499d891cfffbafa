"""The activity `seal_past`: puts a part of its session's past into the blob store.

Rule: the same part gives the same blobs, so an attempt that was lost may have written them, and the next one does no harm.
"""

import asyncio
import base64
import hashlib
import zlib

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.handover import Handover
from perdure.workflows.core.sealing import part_of
from perdure.workflows.protocol.sealing import PartRequest, Sealed, SealInput
from perdure.workflows.protocol.segment_blobs import sealed_as
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import PART_CHANGED


class Sealing:
    def __init__(self, client: Client, blobs: BlobStore, handover: Handover) -> None:
        self._client = client
        self._blobs = blobs
        self._handover = handover

    @activity.defn(name="seal_past")
    async def seal_past(self, request: SealInput) -> Sealed:
        """Raises `StoreUnavailable`, and ApplicationError `part_changed`, non-retryable."""
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        part, refs = self._handed_over(run_id, request) or await self._ask(workflow_id, run_id, request)
        # Compressing takes as long as a model call's whole way to its provider.
        sealed, blobs = await asyncio.to_thread(sealed_as, part, refs)
        for sha256, data in blobs.items():
            await self._blobs.put(f"{workflow_id}/{sha256}", data)
        return sealed

    def _handed_over(self, run_id: str, request: SealInput) -> tuple[Segment, tuple[SegmentRef, ...]] | None:
        """The part that the session left in this process, if it did, and if that is the one that was asked for."""
        state = self._handover.take(run_id, request.handover)
        if state is None or state.sealing.open is None:
            return None
        part = part_of(state)
        return (part, state.log.segments) if _sha256(part.model_dump_json().encode()) == request.sha256 else None

    async def _ask(self, workflow_id: str, run_id: str, request: SealInput) -> tuple[Segment, tuple[SegmentRef, ...]]:
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        data, sha256 = b"", ""
        while True:
            page = await handle.query(SessionWorkflow.part, PartRequest(after=len(data), sha256=sha256))
            if not page.open:
                raise _changed(request)
            data, sha256 = data[: page.start] + base64.b64decode(page.data), page.sha256
            if not page.more:
                break
        whole = zlib.decompress(data)
        if _sha256(whole) != request.sha256:
            raise _changed(request)
        return Segment.model_validate_json(whole), page.segments


def _changed(request: SealInput) -> ApplicationError:
    message = f"the session does not seal the events {request.first} to {request.last} any more"
    return ApplicationError(message, type=PART_CHANGED, non_retryable=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
