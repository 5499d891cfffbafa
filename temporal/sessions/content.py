"""The identity of a message's content: it tells a repeat from another message under the same id.

A message has one identity whichever way it is written: `content_sha256` is of its parts, and a text is one text part.
"""

import hashlib
import json
import uuid
from typing import Any

from pydantic import JsonValue

from perdure.temporal.stores.blobs import BlobStore, fold
from perdure.workflows.protocol.signals import SendMessage
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.parts import Part


def canonical(value: Any) -> bytes:
    """The same bytes for the same JSON, however it was written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def content_sha256(parts: tuple[Part, ...], model: str | None = None) -> str:
    """Of a message's content, before anything of it is offloaded to the blob store. `model` is the role that it asks for."""
    content: list[Any] = [part.model_dump(mode="json", exclude={"native", "blob"}) for part in parts]
    return hashlib.sha256(canonical(content if model is None else [*content, {"model": model}])).hexdigest()


def trigger_sha256(name: str, inputs: dict[str, JsonValue]) -> str:
    """Of a trigger of the handler `name`, with its inputs as they were given."""
    return hashlib.sha256(canonical({"trigger": name, "inputs": inputs})).hexdigest()


async def new_message(
    blobs: BlobStore,
    session: str,
    parts: tuple[Part, ...],
    digest: str | None,
    message_id: str | None = None,
    cursor: int = 0,
    sha256: str | None = None,
    model: str | None = None,
    busy: Busy | None = None,
    run_id: str | None = None,
) -> SendMessage:
    """The command that brings a message to `session` (a workflow id), with big parts of it in `blobs`.

    `digest` is of the definition that the sender sees; `cursor`, a `seq` from before the message; `sha256`, of the content as
    it was given, where `parts` are not that any more; `model`, the role that shall answer it; `busy`, what becomes of it
    while the session works; `run_id`, what its client calls the run that it begins. The latter two are no part of its
    content: the same text once more is a repeat, whatever they say."""
    return SendMessage(
        message_id=message_id or uuid.uuid4().hex,
        parts=await fold(blobs, session, parts),
        content_sha256=sha256 or content_sha256(parts, model),
        cursor=cursor,
        digest=digest,
        model=model,
        busy=busy,
        run_id=run_id,
    )
