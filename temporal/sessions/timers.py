"""Taking back a timer of a session that has not fired."""

import uuid

from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import SessionClosed, TimerNotFound
from perdure.workflows.protocol.signals import CancelTimer
from perdure.workflows.session import SessionWorkflow


async def cancel_timer(backend: Backend, live: LivePublisher, session: str, timer_id: str) -> None:
    """`session` is a workflow id. Raises `SessionClosed`, `TimerNotFound`, and what `Backend.query` raises."""
    page = await backend.ask(session, SessionWorkflow.timers)
    if page.closed:
        raise SessionClosed
    if not any(timer.timer_id == timer_id for timer in page.timers):
        raise TimerNotFound
    await backend.signal(session, CancelTimer(id=uuid.uuid4().hex, timer_id=timer_id))
    live.poke(session)
