"""What it means to carry out what a session does for its turn's handler. Pure."""

from typing import assert_never

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handler_actions import (
    CallTool,
    CarryOn,
    CatchError,
    HandlerAction,
    LeaveBlock,
    ParkHandler,
    ResumeAnswered,
    ResumeHandler,
)
from perdure.workflows.core.handlers import asking
from perdure.workflows.core.handlers.carrying_on import call_tool, carry_on, catch_error, leave_block
from perdure.workflows.core.handlers.parking import park, resume


def begin_of_handler(draft: Draft, action: HandlerAction) -> bool:
    """Whether the turn ends, for its handler waits."""
    match action:
        case CarryOn():
            carry_on(draft)
        case LeaveBlock():
            leave_block(draft)
        case CallTool():
            call_tool(draft)
        case CatchError():
            catch_error(draft, action.error)
        case ParkHandler():
            return park(draft)
        case ResumeHandler():
            resume(draft, action.timer)
        case ResumeAnswered():
            asking.resume(draft, action.question_id)
        case _:
            assert_never(action)
    return False
