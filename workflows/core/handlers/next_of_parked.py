"""Which of the handlers that wait goes on next, between two turns. Pure."""

from perdure.workflows.core.handler_actions import OfferEvent, OfferKept, ResumeAnswered, ResumeHandler
from perdure.workflows.core.state.handlers import AskingPerson
from perdure.workflows.core.state.session import SessionState


def next_of_parked(state: SessionState) -> ResumeAnswered | OfferKept | OfferEvent | ResumeHandler | None:
    """An answer comes before an event, and what has come before a time that is over; None: none of them goes on now."""
    replied = state.handlers.replied
    if replied is not None and isinstance(replied.doing, AskingPerson) and replied.doing.question_id is not None:
        return ResumeAnswered(replied.doing.question_id)
    if state.handlers.looking is not None:
        return OfferKept()
    fresh = next((event for event in state.handlers.events if event.fresh), None)
    if fresh is not None:
        return OfferEvent(fresh.event_id)
    due = state.timers.due
    return ResumeHandler(due) if due is not None and state.handlers.waiting_for(due.timer_id) is not None else None
