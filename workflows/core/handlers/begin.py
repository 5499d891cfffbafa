"""What it means to carry out what a session does for its turn's handler. Pure."""

from dataclasses import dataclass
from typing import assert_never

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import Effect
from perdure.workflows.core.handler_actions import (
    BeginBranches,
    CallTool,
    CarryOn,
    CatchError,
    CheckResult,
    EndBranches,
    HandlerAction,
    LeaveBlock,
    NameSession,
    OfferEvent,
    OfferKept,
    ParkHandler,
    ResumeAnswered,
    ResumeHandler,
    TakeBack,
)
from perdure.workflows.core.handler_changes import HandlerMoved
from perdure.workflows.core.handlers import asking, events
from perdure.workflows.core.handlers.branching import begin_branches, compensate, end_branches
from perdure.workflows.core.handlers.carrying_on import call_tool, carry_on, catch_error, leave_block
from perdure.workflows.core.handlers.parking import park, resume
from perdure.workflows.core.handlers.results import check_result


@dataclass(frozen=True)
class GoneOn:
    """What an action started, beside its changes in the draft."""

    effects: tuple[Effect, ...] = ()
    #: The turn ends, for its handler waits.
    parked: bool = False


def begin_of_handler(draft: Draft, action: HandlerAction) -> GoneOn:
    match action:
        case CarryOn():
            carry_on(draft)
        case NameSession():
            draft.add(HandlerMoved(run=action.run))
        case LeaveBlock():
            leave_block(draft)
        case CallTool():
            call_tool(draft)
        case BeginBranches():
            begin_branches(draft)
        case EndBranches():
            end_branches(draft)
        case TakeBack():
            compensate(draft)
        case CheckResult():
            return GoneOn(effects=(check_result(draft),))
        case CatchError():
            catch_error(draft, action.error)
        case ParkHandler():
            return GoneOn(parked=park(draft))
        case ResumeHandler():
            resume(draft, action.timer)
        case ResumeAnswered():
            asking.resume(draft, action.question_id)
        case OfferEvent():
            events.offer(draft, action.event_id)
        case OfferKept():
            events.offer_kept(draft)
        case _:
            assert_never(action)
    return GoneOn()
