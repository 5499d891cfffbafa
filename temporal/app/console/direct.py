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

from perdure.temporal.app.console.logs import log_to_stderr
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import Nowhere
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import SessionId
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.session import Session
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobError, BlobStore
from perdure.temporal.stores.opened import open_blobs

T = TypeVar("T")

_ID: TypeAdapter[str] = TypeAdapter(SessionId)
#: Seconds. Somebody who waits at a terminal would rather wait than ask again.
_ERASED_WITHIN_S = 60.0
#: Blobs of this name are no session's.
_RESERVED = "definitions"


@dataclass(frozen=True, slots=True)
class Direct:
    client: Client
    sessions: Sessions
    blobs: BlobStore
    settings: Settings
    caller: Principal

    def session(self, session_id: str) -> Session:
        """Takes the id of the session, or of its workflow. Raises `Refused`."""
        own = session_id.removeprefix(f"{self.caller.tenant}/")
        return self.sessions.open(self.caller, checked_id(own, "session"))

    def need_blobs(self) -> None:
        """Raises `Refused` where there is no folder of blobs, so that nobody takes an empty one for the right one."""
        where = self.settings.blob_store
        if isinstance(where, Path) and not where.is_dir():
            raise Refused(
                f"there is no blob store at {where}; name it with --data-dir, PERDURE_BLOBS or PERDURE_BLOB_DIR"
            )


async def reach(tenant: str, data_dir: Path | None) -> Direct:
    """Raises `Refused` and `TemporalUnavailable`."""
    if checked_id(tenant, "tenant") == _RESERVED:
        raise Refused(f"no tenant is named {_RESERVED}")
    settings = Settings.load(data_dir=data_dir)
    client = await connect(settings)
    blobs = open_blobs(settings.blob_store)
    # No folder of definitions is read: a session is asked which one it runs.
    definitions = Definitions((), blobs=blobs)
    sessions = Sessions(client, settings, blobs, definitions, Nowhere(), gone_within_s=_ERASED_WITHIN_S)
    return Direct(client, sessions, blobs, settings, Principal.trusted(tenant))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Carries out a command; known failures become `Refused`."""
    log_to_stderr()
    try:
        return asyncio.run(work)
    except SessionError as error:
        raise Refused(error.detail) from error
    except RPCError as error:
        raise Refused(f"Temporal refused: {error.message}") from error
    except BlobError as error:
        named = "--data-dir, PERDURE_BLOBS or PERDURE_BLOB_DIR name it"
        raise Refused(f"{error}; is this the right blob store? {named}") from error


def checked_id(given: str, what: str) -> str:
    """`given`, if a `what` can have it as its id. Raises `Refused`."""
    try:
        return _ID.validate_python(given)
    except ValidationError:
        raise Refused(f"{given!r} cannot be the id of a {what}") from None
