"""What the actions mean that carry a turn's handler on. Pure."""

from typing import assert_never

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import Effect
from perdure.workflows.core.handler_actions import CallTool, CarryOn, CatchError, CheckResult, LeaveBlock
from perdure.workflows.core.handlers.carrying_on import call_tool, carry_on, catch_error, leave_block
from perdure.workflows.core.handlers.results import check_result


def go_on(draft: Draft, action: CarryOn | LeaveBlock | CallTool | CatchError | CheckResult) -> tuple[Effect, ...]:
    """The changes of `action`, and the effects that it starts."""
    match action:
        case CarryOn():
            carry_on(draft)
        case LeaveBlock():
            leave_block(draft)
        case CallTool():
            call_tool(draft)
        case CatchError():
            catch_error(draft, action.error)
        case CheckResult():
            return (check_result(draft),)
        case _:
            assert_never(action)
    return ()
