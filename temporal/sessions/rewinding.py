"""Rewinds and retries: a conversation goes on from an earlier message, on an earlier branch, or where its last turn ended.

The session is asked first, so that a wrong command is refused with a reason; then it is signalled; then it is asked whether
it took the command in, for it may have moved on meanwhile. The session does not hold what is sealed, so the message and the
calls after it are looked up here.
"""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.branch_reader import BranchReader
from perdure.temporal.sessions.configuring import check_role
from perdure.temporal.sessions.content import canonical
from perdure.temporal.sessions.errors import (
    BranchNotFound,
    IdConflict,
    InvalidRequest,
    NothingToRetry,
    NotRewindable,
    RewindOpen,
    SessionClosed,
    TooManyBranches,
)
from perdure.temporal.sessions.leaving_calls import leaving_calls
from perdure.temporal.sessions.message_files import MessageFiles
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import RetryTurn, RewindSession
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.stores.blobs import BlobStore, fold
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.protocol.branch_queries import BranchesPage
from perdure.workflows.protocol.paths import shared_by
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.protocol.signals import Retry, Rewind
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import File, Message, Part


@dataclass(frozen=True, slots=True)
class Rewound:
    """A rewind or a retry that the session has accepted."""

    command_id: str
    #: A cursor from before its first event.
    cursor: int
    #: The branch on which the conversation goes on.
    branch: str
    #: The message that begins the next turn; None: none does.
    message_id: str | None
    #: Of a retry: the new turn.
    turn_id: str | None


class Rewinder:
    """`session` is a workflow id. All raise what `Backend.query` raises, and `StoreUnavailable`."""

    def __init__(
        self,
        backend: Backend,
        blobs: BlobStore,
        sealed: Sealed,
        definitions: Definitions,
        files: MessageFiles,
        live: LivePublisher,
    ) -> None:
        self._backend = backend
        self._blobs = blobs
        self._read = BranchReader(backend, sealed)
        self._definitions = definitions
        self._files = files
        self._live = live

    async def rewind(self, caller: Principal, session: str, wanted: RewindSession) -> Rewound:
        """Raises `MessageNotFound`, `BranchNotFound`, `NotRewindable`, `OtherBranch`, `TooManyBranches`, `RewindOpen`,
        `SessionClosed`, `IdConflict`, and `InvalidRequest`, which names the field."""
        command_id = wanted.rewind_id or uuid.uuid4().hex
        sha256 = _sha256(wanted, "rewind_id")
        page = await self._read.branches(session, command_id, wanted.branch)
        if page.taken is not None:
            return _again(page, command_id, sha256)
        if page.closed:
            raise SessionClosed
        if page.rewinding is not None:
            raise RewindOpen
        receipt = await self._backend.query(session, SessionWorkflow.receipt, "")
        base: dict[str, Any] = {
            "id": command_id,
            "content_sha256": sha256,
            "cursor": page.seq,
            "undo": wanted.undo,
            "digest": self._digest(caller, receipt),
            "model": wanted.model,
            "traceparent": caller.traceparent,
            "sender": caller.sender,
            "by": caller.by,
        }
        definition = await self._definitions.by_digest(receipt.digest, caller.tenant)
        if wanted.branch is None and page.full:
            raise TooManyBranches
        async with self._backend.going_to_work(True, session, receipt.user):
            if wanted.branch is not None:
                command = await self._going_back(session, wanted.branch, page, base, definition)
            else:
                command = await self._cutting(caller, session, wanted, receipt, base, definition, page.undone)
            await self._backend.spend(session, receipt.user, command)
        if receipt.turn_id is not None:
            # The model call hears it at once, not at its next heartbeat.
            self._live.stop(session)
        return await self._taken(session, command_id)

    async def retry(self, caller: Principal, session: str, wanted: RetryTurn) -> Rewound:
        """Raises `NothingToRetry`, `RewindOpen`, `TooManyBranches`, `SessionClosed`, `IdConflict`, and `InvalidRequest`,
        which names the field."""
        command_id = wanted.retry_id or uuid.uuid4().hex
        sha256 = _sha256(wanted, "retry_id")
        page = await self._read.branches(session, command_id)
        if page.taken is not None:
            return _again(page, command_id, sha256)
        if page.closed:
            raise SessionClosed
        if page.rewinding is not None:
            raise RewindOpen
        turn_id = wanted.turn_id or page.last_turn
        if turn_id is None or page.turn_id is not None or page.retried != turn_id:
            raise NothingToRetry(_nothing(page, turn_id))
        if page.full:
            raise TooManyBranches
        receipt = await self._backend.query(session, SessionWorkflow.receipt, "")
        digest = self._digest(caller, receipt)
        if wanted.model is not None:
            definition = await self._definitions.by_digest(digest or receipt.digest, caller.tenant)
            check_role(definition, wanted.model, receipt.agent)
        await self._backend.let_spend(
            session,
            receipt.user,
            Retry(
                id=command_id,
                content_sha256=sha256,
                cursor=page.seq,
                turn_id=turn_id,
                digest=digest,
                model=wanted.model,
                traceparent=caller.traceparent,
                sender=caller.sender,
            ),
        )
        return await self._taken(session, command_id)

    async def _taken(self, session: str, command_id: str) -> Rewound:
        self._live.poke(session)
        page = await self._read.branches(session, command_id)
        if page.taken is None:
            raise (
                SessionClosed
                if page.closed
                else NotRewindable("The session has moved on meanwhile. Look at it, and try again.")
            )
        return _again(page, command_id, page.taken.content_sha256)

    def _digest(self, caller: Principal, receipt: Receipt) -> str | None:
        agent = None if receipt.pinned else self._definitions.current(receipt.agent, caller.tenant)
        return agent.digest if agent is not None else None

    async def _going_back(
        self, session: str, branch: str, page: BranchesPage, base: dict[str, Any], definition: AgentDefinition | None
    ) -> Rewind:
        if page.path is None:
            raise BranchNotFound
        if branch == page.current:
            raise NotRewindable(f"{branch} is the branch that goes on already.")
        path, count = await self._read.going_on(session)
        kept = shared_by(path, count, page.path, page.count)
        leaving = await self._read.messages(session, path, kept, count)
        first = leaving or await self._read.messages(session, page.path, kept, min(kept + 1, page.count))
        told = leaving_calls(leaving, definition, base["undo"], page.undone)
        return Rewind(
            **base,
            branch=branch,
            message_id=first[0].id if first else None,
            calls=told.calls,
            more=told.more,
        )

    async def _cutting(
        self,
        caller: Principal,
        session: str,
        wanted: RewindSession,
        receipt: Receipt,
        base: dict[str, Any],
        definition: AgentDefinition | None,
        undone: tuple[str, ...],
    ) -> Rewind:
        assert wanted.message_id is not None
        number, leaving = await self._read.find(session, wanted.message_id)
        found, given = leaving[0], wanted.neutral_parts()
        _check(found, given)
        told = leaving_calls(leaving, definition, wanted.undo, undone)
        if wanted.model is not None:
            agent = await self._definitions.by_digest(base["digest"] or receipt.digest, caller.tenant)
            check_role(agent, wanted.model, receipt.agent)
        parts: tuple[Part, ...] | None = None
        if given is not None:
            if any(isinstance(part, File) for part in given):
                given = await self._files.take_in(
                    caller, session, given, await self._files.taker(caller.tenant, receipt)
                )
            parts = await fold(self._blobs, session, given)
        elif found.role == "user":
            parts = found.parts
        again = given is None and parts is not None
        return Rewind(
            **base,
            message_id=found.id,
            number=number,
            new_id=found.id if again else base["id"] if parts is not None else None,
            parts=parts,
            again=again,
            own=again and found.own,
            continues=found.turn_id if parts is None else None,
            calls=told.calls,
            more=told.more,
        )


def _check(found: Message, given: tuple[Part, ...] | None) -> None:
    """Raises `NotRewindable` and `InvalidRequest` where the conversation cannot go on from this message."""
    if found.role == "tool":
        raise NotRewindable(
            f"{found.id} is the result of a tool. Name the message that made the call, or an earlier one."
        )
    if any(found.is_note(part) and getattr(part, "name", "") == "rewound" for part in found.parts):
        raise NotRewindable(f"{found.id} is the session's own note on a rewind. Name the message that follows it.")
    if given is not None and found.role != "user":
        raise InvalidRequest(
            "text", "only counts for a message of a user; an answer of the model is given again without it"
        )
    if given is not None and found.own:
        raise InvalidRequest("text", "does not count for a note that the session wrote itself")


def _again(page: BranchesPage, command_id: str, sha256: str) -> Rewound:
    """The answer to a command that was accepted. Raises `IdConflict` if another command has its id."""
    taken = page.taken
    assert taken is not None
    if taken.content_sha256 != sha256:
        raise IdConflict(f"{command_id} was used for another command.")
    return Rewound(command_id, taken.cursor, taken.branch, taken.message_id, taken.turn_id)


def _sha256(wanted: RewindSession | RetryTurn, without: str) -> str:
    return hashlib.sha256(canonical(wanted.model_dump(mode="json", exclude={without}, exclude_none=True))).hexdigest()


def _nothing(page: BranchesPage, turn_id: str | None) -> str:
    """Why a turn cannot be continued."""
    if turn_id is None:
        return "No turn has ended yet."
    if page.turn_id is not None:
        return f"{page.turn_id} runs. Stop it first, or wait for its end."
    if turn_id != page.last_turn:
        return f"Only the last turn can be run on, and that is {page.last_turn or 'none'}. Rewind to a message instead."
    return f"{turn_id} ended well. To have its answer given again, rewind to it."
