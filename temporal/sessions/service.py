"""The session service: sessions are started, found and opened here, whoever asks for it.

Rule 1: callers reach sessions through `Sessions.open(caller, session_id)` and in no other way, so that the ownership
check is in one place (`access.py`).
Rule 2: nothing here knows HTTP. What goes wrong is a `SessionError`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio.client import Client

from perdure.temporal.definitions.store import Definitions
from perdure.temporal.environment import environment
from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.access import Belonging
from perdure.temporal.sessions.admission import Admissions
from perdure.temporal.sessions.answers import EditArguments
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.branch_reader import BranchReader
from perdure.temporal.sessions.collaborators import Collaborators
from perdure.temporal.sessions.creating import Created, Creator
from perdure.temporal.sessions.erase import Eraser, Scrub
from perdure.temporal.sessions.errors import Forbidden
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.listing import list_sessions
from perdure.temporal.sessions.message_files import MessageFiles
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.queued import Queued
from perdure.temporal.sessions.requests import CreateSession, RunAgent
from perdure.temporal.sessions.resting import Resting, resting
from perdure.temporal.sessions.rewinding import Rewinder
from perdure.temporal.sessions.scopes import Act
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.sending import Sender
from perdure.temporal.sessions.session import Session
from perdure.temporal.sessions.trace import RebuildRequest, not_rebuilt
from perdure.temporal.sessions.triggering import Triggerer
from perdure.temporal.sessions.uploads import Uploads
from perdure.temporal.sessions.visibility import Status
from perdure.temporal.sessions.worker_runs import RunStarted, RunState, WorkerRuns
from perdure.temporal.sessions.workers import Workers
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore


class Sessions:
    def __init__(
        self,
        client: Client,
        settings: Settings,
        blobs: BlobStore,
        definitions: Definitions,
        live: LivePublisher,
        *,
        workers: Workers | None = None,
        scrub: Scrub | None = None,
        gone_within_s: float = 10,
        continue_as_new_after: int | None = None,
        edit_arguments: EditArguments = lambda name, spec, args: None,
        rebuild_request: RebuildRequest = not_rebuilt,
        limits: Limits | None = None,
    ) -> None:
        """`gone_within_s` seconds are waited for Temporal to delete what is erased, after which `scrub` is called."""
        self._backend = backend = Backend(client, settings, workers, limits)
        self._client, self._within_s = client, settings.query_timeout_s
        self.budgets = backend.budgets
        after = settings.continue_as_new_after if continue_as_new_after is None else continue_as_new_after
        self.uploads = Uploads(blobs, settings.upload_days)
        files = MessageFiles(blobs, self.uploads, definitions, environment())
        self._creator = Creator(backend, blobs, definitions, files, after)
        #: The sealed past of sessions.
        self.sealed = Sealed(blobs)
        admissions = Admissions(backend)
        self._runs = WorkerRuns(client, self._creator, blobs)
        self._shared = Collaborators(
            backend=backend,
            triggerer=Triggerer(backend, admissions, definitions, live),
            sender=Sender(backend, admissions, blobs, definitions, live, files),
            queued=Queued(backend, blobs, files, live),
            eraser=Eraser(client, backend, blobs, self.sealed, gone_within_s, scrub),
            blobs=blobs,
            sealed=self.sealed,
            definitions=definitions,
            live=live,
            settings=settings,
            edit_arguments=edit_arguments,
            rebuild_request=rebuild_request,
            rewinder=Rewinder(backend, blobs, self.sealed, definitions, files, live),
            branches=BranchReader(backend, self.sealed),
        )

    async def start(self, caller: Principal, request: CreateSession, run_id: str | None = None) -> Created:
        """Starts a session; `run_id` is what the client calls the run that its message begins. Raises as
        `Creator.create`."""
        return await self._creator.create(caller, request, run_id=run_id)

    async def run(self, caller: Principal, request: RunAgent) -> RunStarted:
        """Runs an agent once for a result. Raises as `WorkerRuns.start`."""
        return await self._runs.start(caller, request)

    async def run_state(self, caller: Principal, run_id: str, wait_s: float = 0) -> RunState:
        """What has become of such a run. Raises as `WorkerRuns.state`."""
        return await self._runs.state(self.open(caller, run_id), wait_s)

    def open(self, caller: Principal, session_id: str) -> Session:
        """The caller's session with this id; whether there is one shows when it is asked."""
        return Session(caller, session_id, self._shared)

    async def entrust(self, caller: Principal, session_id: str, acts: tuple[Act, ...]) -> Belonging:
        """Whose a session is, for a backend that may do all of these in it and lets that user do them. Raises
        `Forbidden`, `SessionNotFound`, `TemporalSilent`, `TooMany`."""
        session = self.open(caller, session_id)
        for act in acts:
            await session.check(act)
        belonging = await session.belonging()
        if caller.method not in ("key", "trusted"):
            raise Forbidden("Only an API key makes and revokes tokens of sessions.")
        return belonging

    def at(self, workflow_id: str) -> Session:
        """The session with this workflow id, for code that was given it by a session of the caller's, or by Temporal."""
        tenant, _, session_id = workflow_id.partition("/")
        return self.open(Principal.trusted(tenant), session_id)

    async def list(
        self,
        caller: Principal,
        *,
        agent: str | None,
        status: Status | None,
        user: str | None,
        cursor: str | None,
        active_after: datetime | None = None,
    ) -> dict[str, Any]:
        """A page of the caller's sessions: `{sessions, next_cursor}`. Raises `InvalidRequest` for a wrong cursor, and
        `Forbidden`."""
        return await list_sessions(
            self._backend, caller, agent=agent, status=status, user=user, active_after=active_after, cursor=cursor
        )

    async def resting(self, caller: Principal, agent: str, digests: Sequence[str]) -> Resting | None:
        """How many of the caller's open sessions rest on each of these definitions; None: it may not read sessions."""
        return await resting(self._client, self._within_s, caller, agent, digests)

    async def next_times(self, schedule_id: str) -> tuple[datetime, ...]:
        """When a schedule is due next; nothing where it is not in place, or paused."""
        return await self._backend.next_times(schedule_id)

    async def check_ready(self) -> None:
        """Raises `SessionError` unless Temporal answers and a worker polls for sessions."""
        await self._backend.check_ready()
