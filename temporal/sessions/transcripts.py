"""What was said in a session, read a stretch at a time: the positions of one branch, as of one moment.

Rule: messages are numbered for ever, and a branch is read by the path that its first page gave. So what is put together
is the session as of that page, however far it has moved on meanwhile.
"""

from perdure.temporal.sessions.backend import Backend
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Message


async def read_messages(
    backend: Backend, session: str, first: SnapshotPage, start: int, stop: int
) -> tuple[Message, ...]:
    """The messages at the positions from `start` to `stop` of the branch that `first` is a page of, big parts still
    offloaded."""
    found: list[Message] = []
    page = first
    while start < stop:
        if not page.start <= start < page.start + len(page.messages):
            request = PageRequest(after=start, until=stop, path=first.path)
            page = await backend.query(session, SessionWorkflow.snapshot, request)
        found += page.messages[start - page.start : stop - page.start]
        start = page.start + len(page.messages)
    return tuple(found)
