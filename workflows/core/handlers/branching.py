"""How a handler makes calls at the same time, and how it goes on once all of them have ended. Pure."""

from pydantic import JsonValue

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.changes import TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handler_changes import BlockCalled, BranchesCalled, HandlerMoved, VariablesSet
from perdure.workflows.core.handlers.compensation import failure as not_taken_back
from perdure.workflows.core.handlers.compensation import keeping
from perdure.workflows.core.handlers.interpreter import advanced
from perdure.workflows.core.handlers.landing import shared_value
from perdure.workflows.core.handlers.together import failure, given
from perdure.workflows.core.prompt import names_in
from perdure.workflows.core.session_variables import values_of
from perdure.workflows.core.state.compensating import Compensating
from perdure.workflows.core.state.handlers import HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.together import CallingMany
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.vocabulary.ids import handler_call_id
from perdure.workflows.vocabulary.parts import ToolCall, ToolError


def begins_more(state: SessionState, turn: Turn) -> bool:
    """Whether further calls of the turn's handler begin now, beside those that run."""
    doing = turn.run.doing if turn.run is not None else None
    return isinstance(doing, CallingMany) and doing.next(len(turn.calls), _parallel(state)) > 0


def begin_branches(draft: Draft) -> None:
    turn, run = draft.turn, draft.turn.run
    assert run is not None
    assert isinstance(run.doing, CallingMany)
    most = run.doing.next(len(turn.calls), _parallel(draft.state))
    left = [branch for branch in run.doing.branches if branch.call_id is None]
    calls = []
    for number, branch in enumerate(left[:most], run.calls + 1):
        made = ToolCall(call_id=handler_call_id(turn.turn_id, number), name=branch.tool, args=branch.args)
        calls.append(Call(made, block=branch.block))
    draft.add(BranchesCalled(calls=tuple(calls)))


def end_branches(draft: Draft) -> None:
    """The block is done, or fails; what has come of its calls is kept in either case."""
    assert draft.turn.run is not None
    run, misfit = kept(draft, draft.turn.run)
    assert isinstance(run.doing, CallingMany)
    error = failure(run.doing) or misfit
    draft.add(HandlerMoved(run=advanced(run) if error is None else run))
    if error is not None:
        draft.add(TurnBroken(error=error))


def kept(draft: Draft, run: HandlerRun) -> tuple[HandlerRun, ToolError | None]:
    """`run` with what there is of its calls: results in variables, and what takes them back. With it, why a variable of the
    session does not take its result."""
    if not isinstance(run.doing, CallingMany):
        return run, None
    agent, places = draft.state.slot.loaded, {one.into: one.block.at for one in run.doing.branches}
    own: dict[str, JsonValue] = {}
    misfit: ToolError | None = None
    for name, value in given(run.doing).items():
        made = shared_value(draft.state, agent, name, value, places.get(name, run.doing.at))
        match made:
            case None:
                own[name] = value
            case ToolError():
                misfit = misfit or made
            case _:
                draft.add(VariablesSet(values=made))
    run = replace(run, variables={**run.variables, **own})
    names = {**names_in(draft.state, draft.turn.turn_id, agent), **values_of(draft.state)}
    return keeping(run, names), misfit


def compensate(draft: Draft) -> None:
    """The latest compensation begins. Where none is left, the block is done, or fails."""
    run = draft.turn.run
    assert run is not None
    assert isinstance(run.doing, Compensating)
    if run.kept:
        latest = run.kept[-1]
        call_id = handler_call_id(draft.turn.turn_id, run.calls + 1)
        draft.add(
            BlockCalled(call=Call(ToolCall(call_id=call_id, name=latest.tool, args=latest.args), block=latest.block))
        )
        return
    error = not_taken_back(run.doing)
    if error is None:
        draft.add(HandlerMoved(run=advanced(run)))
    else:
        draft.add(TurnBroken(error=error))


def _parallel(state: SessionState) -> int:
    return state.effective_limits.session.parallel_calls
