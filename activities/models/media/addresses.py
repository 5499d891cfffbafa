"""Files at addresses that users gave, for servers that do not fetch them themselves.

Rule 1: a file is fetched once in a session, and kept: every later step, on whichever worker, shows the same.
Rule 2: an address that cannot be fetched fails no turn. It is told to the model in words, for the address stays in the
conversation, and would fail every turn after it. What may pass is tried again with the next step.
"""

import hashlib
from collections.abc import Mapping

from perdure.activities.shipped.safe_fetch import Fetcher, FetchFailed, FetchRefused, Hosts
from perdure.temporal.media.reading import in_thread
from perdure.temporal.media.recognise import Unrecognised, recognise
from perdure.temporal.stores.blobs import BlobMissing, BlobStore
from perdure.temporal.stores.files import put_file
from perdure.workflows.vocabulary.parts import File

_MAX_BYTES = 20 * 1024 * 1024
_SECONDS = 20.0


class NotFetched(Exception):
    """The message says why, for the model."""


def fetcher(environment: Mapping[str, str]) -> Fetcher:
    """For the hosts that the operator allows, as the tool `fetch_url` has it."""
    hosts = Hosts.of(environment.get("PERDURE_FETCH_ALLOW", ""), environment.get("PERDURE_FETCH_DENY", ""))
    return Fetcher(hosts=hosts, max_bytes=_MAX_BYTES, seconds=_SECONDS)


async def at_address(blobs: BlobStore, workflow_id: str, file: File, fetch: Fetcher | None) -> File:
    """The session's own copy of the file at an address. With `fetch` None, only if it has been fetched before.

    Raises `NotFetched`, and `StoreUnavailable`."""
    note = f"{workflow_id}/fetched.{hashlib.sha256(file.uri.encode()).hexdigest()[:40]}"
    try:
        return File.model_validate_json(await blobs.get(note))
    except BlobMissing:
        pass
    if fetch is None:
        raise NotFetched("it was not fetched")
    try:
        fetched = await fetch.fetch_file(file.uri)
        # A server knows better than whoever wrote the address down, and the bytes know better than both.
        declared = fetched.content_type or file.media_type
        seen = await in_thread(workflow_id.partition("/")[0], recognise, fetched.data, declared, file.name)
    except (FetchRefused, FetchFailed) as why:
        raise NotFetched(str(why)) from None
    except Unrecognised as why:
        raise NotFetched(f"what was fetched {why}") from None
    sha256 = hashlib.sha256(fetched.data).hexdigest()
    await put_file(blobs, workflow_id, sha256, fetched.data, seen.described)
    kept = File(
        uri=f"{workflow_id}/{sha256}",
        media_type=seen.media_type,
        name=file.name,
        bytes=len(fetched.data),
        width=seen.width,
        height=seen.height,
        pages=seen.pages,
    )
    await blobs.put(note, kept.model_dump_json().encode())
    return kept
