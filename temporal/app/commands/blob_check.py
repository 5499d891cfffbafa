"""What `perdure doctor` says of the blob store."""

import asyncio
import re
import time
from pathlib import Path
from typing import Final

from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.blob_address import BlobAddress, Bucket
from perdure.temporal.stores.blobs import BlobError, LocalBlobs, StoreFull, probe
from perdure.temporal.stores.opened import open_blobs
from perdure.temporal.user_error import UserError

_NAME: Final = "blob store"
#: Milliseconds that a probe's four requests may take in all.
_SLOW_MS: Final = 400.0


async def blob_store(address: BlobAddress) -> Check:
    """Writes, reads and deletes a probe."""
    return await (_folder(address) if isinstance(address, Path) else _bucket(address))


async def _folder(root: Path) -> Check:
    if not await asyncio.to_thread(root.is_dir):
        advice = "the first start makes it; if it lies elsewhere, --data-dir, PERDURE_BLOBS or PERDURE_BLOB_DIR name it"
        return Check("warning", _NAME, f"{root} does not exist", advice)
    try:
        whole = await probe(LocalBlobs(root, cache_bytes=0))
    except (OSError, BlobError) as error:
        reason = re.sub(r"^\[Errno \d+\] ", "", str(error))
        return Check("failed", _NAME, f"{root} cannot be written: {reason}", "let this user write there")
    if not whole:
        return Check("failed", _NAME, f"{root} gives back other bytes than were written", "mend the disk")
    return Check("ok", _NAME, f"{root} can be written and read")


async def _bucket(bucket: Bucket) -> Check:
    began = time.perf_counter()
    try:
        whole = await probe(open_blobs(bucket, cache_bytes=0))
    except (UserError, BlobError) as error:
        # Its last words say what to do.
        found, _, advice = str(error).removeprefix("the blob store ").partition("; ")
        more = "make room, or raise its quota" if isinstance(error, StoreFull) else "sessions wait for it"
        return Check("failed", _NAME, found, advice or more)
    took = (time.perf_counter() - began) * 1000
    if not whole:
        advice = "what stands between it and this machine changes bodies, or its versions come late"
        return Check("failed", _NAME, f"{bucket} gives back other bytes than were written", advice)
    found = f"{bucket} can be written, read, listed and emptied; all of that took {took:.0f} ms"
    if took > _SLOW_MS:
        return Check("warning", _NAME, found, "put it nearer to workers and gateways")
    return Check("ok", _NAME, found)
