"""Reads the branches of a session and their messages, sealed or not."""

from typing import Final

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import BranchNotFound, MessageNotFound, OtherBranch
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.transcripts import Transcripts
from perdure.workflows.protocol.branch_queries import BranchesPage, BranchesRequest
from perdure.workflows.protocol.paths import Path
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Message

#: Messages that are read at once.
_WINDOW: Final = 200


class BranchReader:
    """`session` is a workflow id. All raise what `Backend.query` raises, and `StoreUnavailable`."""

    def __init__(self, backend: Backend, sealed: Sealed) -> None:
        self._backend = backend
        self._transcripts = Transcripts(backend, sealed)

    async def branches(self, session: str, command_id: str | None = None, branch: str | None = None) -> BranchesPage:
        """All branches; with `branch`, also its path, and with `command_id`, also what is known of that command."""
        request = BranchesRequest(branch=branch, command_id=command_id)
        return await self._backend.query(session, SessionWorkflow.branches, request)

    async def path_of(self, session: str, branch: str) -> tuple[Path, int]:
        """The path of a branch, and how many messages it has. Raises `BranchNotFound`."""
        page = await self.branches(session, branch=branch)
        if page.path is None:
            raise BranchNotFound
        return page.path, page.count

    async def going_on(self, session: str) -> tuple[Path, int]:
        """The path of the current branch, and how many messages it has."""
        page = await self._page(session, PageRequest(last=1))
        return page.path, page.count

    async def find(self, session: str, message_id: str) -> tuple[int, tuple[Message, ...]]:
        """The number of a message of the current branch, and that message with all later ones. Raises `MessageNotFound`, and
        `OtherBranch` if another branch has the message."""
        path, stop = await self.going_on(session)
        behind: tuple[Message, ...] = ()
        while stop > 0:
            start = max(stop - _WINDOW, 0)
            behind = await self.messages(session, path, start, stop) + behind
            for place, message in enumerate(behind[: stop - start]):
                if message.id == message_id:
                    return path.number(start + place), behind[place:]
            stop = start
        await self._look_elsewhere(session, message_id)
        raise MessageNotFound

    async def _look_elsewhere(self, session: str, message_id: str) -> None:
        """Raises `OtherBranch` where another branch has the message."""
        page = await self.branches(session)
        for line in page.branches:
            if line.branch == page.current:
                continue
            path, count = await self.path_of(session, line.branch)
            for start in range(0 if line.parent is None else line.position, count, _WINDOW):
                messages = await self.messages(session, path, start, min(start + _WINDOW, count))
                if any(message.id == message_id for message in messages):
                    raise OtherBranch(f"The message is on the branch {line.branch}; go back to that one first.")

    async def messages(self, session: str, path: Path, start: int, stop: int) -> tuple[Message, ...]:
        """The messages at these positions of a branch."""
        if start >= stop:
            return ()
        first = await self._page(session, PageRequest(after=start, until=stop, path=path))
        return await self._transcripts.messages(session, first, start, stop)

    async def _page(self, session: str, request: PageRequest) -> SnapshotPage:
        return await self._backend.query(session, SessionWorkflow.snapshot, request)
