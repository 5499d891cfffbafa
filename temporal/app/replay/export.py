"""Exports a session's histories to files that replay anywhere: `{session}.{n}.json`, 1 the oldest run; and its files, to
`{session}.files/`.

A replay needs the history and its payloads, so payloads in the blob store are put back inline. Folded parts stay
folded, because workflow code never reads what is behind them.
"""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from google.protobuf.json_format import Parse
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext

from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.codec import BlobDriver
from perdure.temporal.stores.files import get_file
from perdure.temporal.stores.private import make_folder, write_text

_REFERENCE: Final = ExternalStorageReference.DESCRIPTOR.full_name.encode()


async def write_histories(
    client: Client, blobs: BlobStore, session: str, runs: list[str], folder: Path
) -> AsyncIterator[Path]:
    """Writes the histories of `runs`, oldest first, and yields each file. `session` is a workflow id.

    Raises `BlobMissing` if a payload is not in `blobs`, and `RPCError`.
    """
    await asyncio.to_thread(make_folder, folder)
    for number, run in enumerate(runs, 1):
        history = await client.get_workflow_handle(session, run_id=run).fetch_history()
        text = (await with_payloads(history, blobs)).to_json()
        path = folder / f"{session.partition('/')[2]}.{number}.json"
        await asyncio.to_thread(write_text, path, text)
        yield path


async def write_files(blobs: BlobStore, session: str, folder: Path) -> AsyncIterator[Path]:
    """Writes the files of a session, those of its messages and those of its tools, and yields each. `session` is a workflow
    id. Raises `StoreUnavailable`."""
    below = folder / f"{session.partition('/')[2]}.files"
    for key in sorted(await blobs.keys(session)):
        kind, _, sha256 = key.rpartition("/")[2].partition(".")
        found = await get_file(blobs, session, sha256) if kind == "file" else None
        if found is not None:
            data, media_type = found
            await asyncio.to_thread(make_folder, below)
            path = below / f"{sha256}{mimetypes.guess_extension(media_type.partition(';')[0]) or ''}"
            await asyncio.to_thread(path.write_bytes, data)
            yield path


async def with_payloads(history: WorkflowHistory, blobs: BlobStore) -> WorkflowHistory:
    """A copy of the history in which each payload from the blob store is inline again."""
    driver = BlobDriver(blobs)
    for event in history.events:
        for payload in _payloads(event):
            if payload.metadata.get("messageType") == _REFERENCE:
                reference = Parse(payload.data, ExternalStorageReference())
                claim = StorageDriverClaim(claim_data=dict(reference.claim_data))
                (whole,) = await driver.retrieve(StorageDriverRetrieveContext(), [claim])
                payload.CopyFrom(whole)
    return history


def _payloads(message: Message) -> list[Payload]:
    """Every payload anywhere in `message`."""
    if isinstance(message, Payload):
        return [message]
    found: list[Payload] = []
    for field, held in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = held.values() if field.message_type.fields_by_name["value"].message_type else ()
        else:
            values = held if isinstance(held, (list, tuple)) or hasattr(held, "append") else (held,)
        for one in values:
            found += _payloads(one)
    return found
