"""How commands reach sessions without a gateway: Temporal by `TEMPORAL_…`, and the blob store.

Rule: what can go wrong is told as `Refused`, with what the person can do about it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.gateway.backend.sessions import Backend
from perdure.gateway.http.auth import Principal
from perdure.gateway.http.bodies import SessionId
from perdure.gateway.http.problems import Problem
from perdure.temporal.app.console.logs import log_to_stderr
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobError, BlobStore, LocalBlobs

T = TypeVar("T")

_ID: TypeAdapter[str] = TypeAdapter(SessionId)
#: Blobs of this name are no session's.
_RESERVED = "definitions"


@dataclass(frozen=True, slots=True)
class Direct:
    client: Client
    backend: Backend
    blobs: BlobStore
    settings: Settings
    by: Principal

    def workflow_id(self, session_id: str) -> str:
        """Takes the id of the session, or of its workflow. Raises `Refused`."""
        own = session_id.removeprefix(f"{self.by.tenant}/")
        return self.by.workflow_id(checked_id(own, "session"))

    def need_blobs(self) -> None:
        """Raises `Refused` where there is no blob store, so that nobody takes an empty one for the right one."""
        root = self.settings.blobs_root
        if not root.is_dir():
            raise Refused(f"there is no blob store at {root}; name it with --data-dir or PERDURE_BLOB_DIR")


async def reach(tenant: str, data_dir: Path | None) -> Direct:
    """Raises `Refused` and `TemporalUnavailable`."""
    if checked_id(tenant, "tenant") == _RESERVED:
        raise Refused(f"no tenant is named {_RESERVED}")
    settings = Settings.load(data_dir=data_dir)
    client = await connect(settings)
    return Direct(client, Backend(client, settings), LocalBlobs(settings.blobs_root), settings, Principal(tenant))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Carries out a command; known failures become `Refused`."""
    log_to_stderr()
    try:
        return asyncio.run(work)
    except Problem as problem:
        raise Refused(problem.detail) from problem
    except RPCError as error:
        raise Refused(f"Temporal refused: {error.message}") from error
    except BlobError as error:
        raise Refused(f"{error}; is this the right blob store? --data-dir or PERDURE_BLOB_DIR name it") from error


def checked_id(given: str, what: str) -> str:
    """`given`, if a `what` can have it as its id. Raises `Refused`."""
    try:
        return _ID.validate_python(given)
    except ValidationError:
        raise Refused(f"{given!r} cannot be the id of a {what}") from None
