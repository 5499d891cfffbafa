"""What events and settled questions make of a call, by the table of its stages."""

from typing import assert_never

from perdure.workflows.core.binding import Allowed
from perdure.workflows.core.calls.call import (
    Answered,
    Asked,
    Asking,
    Asks,
    Call,
    Given,
    Ready,
    Refused,
    Running,
    Stage,
    Undecided,
    at,
    changed,
)
from perdure.workflows.core.calls.table import check
from perdure.workflows.core.fold_leases import called
from perdure.workflows.core.fold_limits import counted
from perdure.workflows.core.state.questions import Settled
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, in_turn, with_turn
from perdure.workflows.vocabulary.events import ToolStarted
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.questions import Question

CallEvent = ToolStarted | ApprovalRequested | ApprovalResolved | InputRequested | InputReceived


def move(state: SessionState, call: Call) -> SessionState:
    """`state` with this call in place of the one with its id. Raises ValueError where its stage cannot follow."""
    turn = in_turn(state)
    before = turn.call(call.call_id)
    if before is None:
        raise ValueError(f"{call.call_id} does not fit the session's turn")
    if call.stage != before.stage:
        check(before.stage, call.stage)
    if isinstance(before.stage, Undecided) and not isinstance(call.stage, Undecided | Refused):
        state = called(counted(state, 1), 1)
        turn = in_turn(state)
    return with_turn(state, replace(turn, calls=changed(turn.calls, call)))


def follow(state: SessionState, event: CallEvent) -> SessionState:
    """`state` after an event of a call. One of a call that is over, or of none, changes nothing."""
    call = (
        state.turn.call(event.call_id)
        if state.turn and not isinstance(event, InputReceived) and event.call_id
        else None
    )
    if call is None:
        return state
    match event:
        case ApprovalRequested():
            return _put(state, call, event.question)
        case InputRequested():
            return _put(state, call, event.question)
        case ApprovalResolved():
            # What was denied has its result next.
            return move(state, at(call, Ready())) if event.approved else state
        case ToolStarted():
            stage: Stage = call.stage
            if isinstance(stage, Ready):
                stage = Running(stage.work, event.at)
            return move(state, replace(call, stage=stage, started=True, session_id=event.session_id))
        case InputReceived():
            return state
        case _:
            assert_never(event)


def settled(
    state: SessionState, question_id: str, answer_id: str | None, given: Given | None, allow: Allowed | None
) -> SessionState:
    """`state` once a question is settled, open or not."""
    questions = state.questions.closed(Settled(question_id=question_id, answer_id=answer_id), allow)
    state = replace(state, questions=questions)
    call = asker(state, question_id)
    if call is None or not isinstance(call.stage, Asked):
        return state
    return move(state, replace(call, stage=Answered(call.stage.asks), given=given or call.given))


def asker(state: SessionState, question_id: str) -> Call | None:
    """The call that asks this question now."""
    for call in state.turn.calls if state.turn else ():
        if isinstance(call.stage, Asked) and call.stage.question_id == question_id:
            return call
    return None


def _put(state: SessionState, call: Call, question: Question) -> SessionState:
    asks: Asks = call.stage.asks if isinstance(call.stage, Asking) else "approval"
    state = replace(state, questions=state.questions.asked(question))
    return move(state, at(call, Asked(asks, question.question_id)))
