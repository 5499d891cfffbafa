"""What a turn does next about its model calls. Pure."""

from perdure.workflows.core.actions import (
    Action,
    AskNextModel,
    CallModel,
    DrawLeases,
    FinishTurn,
    Join,
    LoadAgent,
    Wait,
)
from perdure.workflows.core.at_limit import asks, at_limit, leased, reason_of
from perdure.workflows.core.budget import nudge
from perdure.workflows.core.context import relief
from perdure.workflows.core.endings import fault, goes_on
from perdure.workflows.core.handler_actions import LeaveBlock
from perdure.workflows.core.handlers.limits import out_of_steps
from perdure.workflows.core.handlers.steps import asking_of
from perdure.workflows.core.leases import to_ask_again
from perdure.workflows.core.limit_words import cut_short
from perdure.workflows.core.passing_on import next_bid_of_step
from perdure.workflows.core.routing import answering_role, first_hop
from perdure.workflows.core.spending import Bid, next_bid, out_of_quota, out_of_time
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.ids import step_id
from perdure.workflows.vocabulary.parts import Message, ToolError
from perdure.workflows.vocabulary.questions import Shortfall


def next_step(state: SessionState, turn: Turn) -> Action:
    joining = _joining(state, turn)
    if joining:
        return Join(joining)
    if not goes_on(turn.stop, turn.odd) and turn.overflow is None:
        return _after_last_answer(state, turn)
    return next_call(state, turn)


def next_call(state: SessionState, turn: Turn) -> Action:
    """The turn's next model call, or what comes before it."""
    if state.slot.stale and state.slot.loaded is not None:
        # The same definition with other tools; a newer one waits for the next turn.
        return LoadAgent(state.slot.loaded.digest)
    over = out_of_steps(state, turn)
    if over is not None:
        return FinishTurn("max_steps", over)
    # What a handler asks aside is given no more of the conversation than fits.
    shorter = relief.before_step(state) if asking_of(state) is None else None
    if shorter is not None:
        return shorter
    made = out_of_quota(state) or out_of_time(state) or next_bid(state)
    match made:
        case ToolError():
            return FinishTurn(reason_of(made), made)
        case Shortfall():
            return at_limit(state, made)
        case _:
            return leased(state, made.need) or CallModel(
                step_id=step_id(turn.turn_id, turn.steps + 1),
                role=made.role,
                reserved_usd=made.need.cost_usd,
                reserved_tokens=made.need.tokens,
                nudge=nudge(state),
                bound=made.bound,
                cheaper=made.role != answering_role(state),
            )


def next_model(state: SessionState, turn: Turn, step: StepRecord) -> Action:
    """The next model of the open step's route, unless a person has to be asked about a limit."""
    again = to_ask_again(state)
    if again is not None:
        return DrawLeases(again)
    if turn.pause is not None:
        return Wait(questions=(turn.pause.question_id,))
    made = next_bid_of_step(state)
    if isinstance(made, Bid):
        return leased(state, made.need) or AskNextModel(step.step_id)
    if not isinstance(made, Shortfall) or turn.error is not None or not asks(state, made):
        return AskNextModel(step.step_id)
    limit = at_limit(state, made)
    assert not isinstance(limit, FinishTurn)
    return limit


def _joining(state: SessionState, turn: Turn) -> tuple[Message, ...]:
    """The messages that steer the turn, where it can have one more step. Where it cannot, they have turns of their own."""
    if not state.inbox.steering or out_of_steps(state, turn) is not None:
        return ()
    if not goes_on(turn.stop, turn.odd) and _last_fault(state, turn) is not None:
        return ()
    fits = out_of_quota(state) is None and out_of_time(state) is None and isinstance(next_bid(state), Bid)
    return state.inbox.joining if fits else ()


def _after_last_answer(state: SessionState, turn: Turn) -> Action:
    error = _last_fault(state, turn)
    if error is None:
        return FinishTurn("done") if turn.run is None else LeaveBlock()
    return FinishTurn("budget" if _is_bounded(turn) else "failed", error)


def _is_bounded(turn: Turn) -> bool:
    """Whether the last answer was cut because a limit left no room for more."""
    return turn.stop == "max_tokens" and turn.bound is not None and not turn.odd


def _last_fault(state: SessionState, turn: Turn) -> ToolError | None:
    """Why a turn that does not go on has failed."""
    hop = first_hop(state)
    if _is_bounded(turn):
        return cut_short(turn.bound or 0)
    limit = hop.model.max_output_tokens if hop is not None else None
    role = answering_role(state)
    return fault(turn.stop or "end", turn.odd, role=role, limit=limit, word=turn.stop_raw, misfit=turn.misfit)
