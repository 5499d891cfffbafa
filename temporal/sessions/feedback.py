"""Giving feedback on a turn.

The session is asked first, so that wrong feedback is refused with a reason; then it is signalled; then it is asked whether
it took the feedback in, for it may have been closed meanwhile.
"""

import uuid

from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import InvalidRequest, SessionClosed
from perdure.temporal.sessions.requests import FeedbackBody
from perdure.workflows.core.state.feedback import text_mark
from perdure.workflows.protocol.feedback import FeedbackState
from perdure.workflows.protocol.signals import GiveFeedback
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.questions import By


async def give_feedback(backend: Backend, live: LivePublisher, session: str, wanted: FeedbackBody, by: By) -> int:
    """Keeps feedback on a turn of `session`, a workflow id; does nothing where the turn has just this. Returns a cursor from
    before its event. Raises `InvalidRequest` where there is no such turn, `SessionClosed`, and what `Backend.query` does."""
    before = await backend.query(session, SessionWorkflow.feedback, wanted.turn_id)
    if before.closed:
        raise SessionClosed
    if not before.known:
        raise InvalidRequest("turn_id", "is no turn that this session has begun")
    if _is_given(before, wanted):
        return before.seq
    command = GiveFeedback(id=uuid.uuid4().hex, turn_id=wanted.turn_id, score=wanted.score, text=wanted.text, by=by)
    await backend.signal(session, command)
    live.poke(session)
    after = await backend.query(session, SessionWorkflow.feedback, wanted.turn_id)
    if after.closed and not _is_given(after, wanted):
        raise SessionClosed
    return before.seq


def _is_given(state: FeedbackState, wanted: FeedbackBody) -> bool:
    return (state.score, state.text_sha256) == (wanted.score, text_mark(wanted.text))
