"""Calls that a handler makes at the same time: how they are filled in, and what their results make of its run. Pure.

Rule 1: all of them are filled in before the first one begins, so none reads what another one gives.
Rule 2: each has its result before the block has one. The first failure in order is the block's.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from perdure.workflows.core.handlers.held import MOST_HELD, TOO_MUCH, size
from perdure.workflows.core.handlers.templates import TemplateFault, evaluated, items
from perdure.workflows.core.state.handlers import HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.together import Branch, CallingMany
from perdure.workflows.definition.handlers import CallTool, Parallel, RunAgent
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.errors import HANDLER_INVALID, RESULT_TOO_LARGE
from perdure.workflows.vocabulary.parts import ToolError, ToolResult


def calling_many(block: Parallel | CallTool, at: str, handler: str, names: Mapping[str, object]) -> CallingMany:
    """The calls of the block, none of them begun. Raises TemplateFault."""
    if isinstance(block, CallTool):
        return CallingMany(at=at, branches=(_branch(block, at, handler, names, None),))
    made: list[Branch] = []
    if block.for_each is None:
        for number, one in enumerate(block.branches or ()):
            place = f"{at}[{number}].{one.kind}"
            made.append(_branch(one, place, handler, names, None))
        return CallingMany(at=at, branches=tuple(made))
    each, (one,) = block.for_each, block.do
    found = items(each.items, names)
    if len(found) > each.most:
        raise TemplateFault(f"the list has {len(found)} items; at most {each.most} may be (`max`)")
    for number, item in enumerate(found, 1):
        branch = _branch(one, f"{at}.do.{one.kind}", handler, {**names, each.name: item}, number)
        named: dict[str, JsonValue] = {} if branch.compensate is None else {each.name: item}
        made.append(replace(branch, item_names=named))
    return CallingMany(at=at, branches=tuple(made), at_once=block.at_once, into=block.into)


def finished(run: HandlerRun, doing: CallingMany, result: ToolResult) -> HandlerRun:
    """One of the calls has its result."""
    branch = next(one for one in doing.branches if one.call_id == result.call_id)
    wanted = branch.into or doing.into
    error, more = error_of(result, wanted), 0
    if error is None and wanted is not None:
        more = size(result.output)
        if doing.held + more > MOST_HELD:
            error = ToolError(type=HANDLER_INVALID, message=TOO_MUCH)
    if error is not None:
        told = error.saying(f"{branch.block.at}: {branch.told}{error.message}")
        return replace(run, doing=doing.changed(replace(branch, over=True, error=told)))
    value = result.output if wanted is not None else None
    doing = replace(doing.changed(replace(branch, over=True, value=value)), held=doing.held + more)
    return replace(run, doing=doing)


def error_of(result: ToolResult, into: str | None) -> ToolError | None:
    """Why a call's result is none for the variable `into`."""
    if result.is_error:
        return ToolError.model_validate(result.output)
    if result.blob is not None and into is not None:
        message = f"the result of {result.name} has {result.blob.size} bytes, too many for a variable."
        return ToolError(type=RESULT_TOO_LARGE, message=message)
    return None


def given(doing: CallingMany) -> dict[str, JsonValue]:
    """What goes to variables once the calls have ended, by name; of calls that failed, nothing, or null in a list."""
    made = {
        one.into: one.value
        for one in doing.branches
        if one.item is None and one.into is not None and one.over and one.error is None
    }
    return made if doing.into is None else {**made, doing.into: [one.value for one in doing.branches]}


def failure(doing: CallingMany) -> ToolError | None:
    """The first one in the order of the branches."""
    for one in doing.branches:
        if one.error is not None and one.unkept is not None:
            return one.error.saying(f"{one.error.message} It will not be taken back: {one.unkept.message}")
        if one.error is not None or one.unkept is not None:
            return one.error or one.unkept
    return None


def arguments_size(doing: CallingMany) -> int:
    """Bytes of what its calls are given."""
    return sum(size(one.args) + (size(one.item_names) if one.item_names else 0) for one in doing.branches)


def _branch(one: CallTool | RunAgent, at: str, handler: str, names: Mapping[str, object], item: int | None) -> Branch:
    call = one.as_call() if isinstance(one, RunAgent) else one
    try:
        args = evaluated(call.arguments, names)
    except TemplateFault as fault:
        raise _placed(fault, at, item) from fault
    assert isinstance(args, dict)
    block = Block(handler=handler, kind="call", name=call.tool, at=at, display=call.display)
    return Branch(block=block, tool=call.tool, args=args, into=call.into, item=item, compensate=call.compensate)


def _placed(fault: TemplateFault, at: str, item: int | None) -> TemplateFault:
    made = TemplateFault(str(fault) if item is None else f"item {item}: {fault}")
    made.at = at
    return made
