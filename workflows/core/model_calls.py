"""How the model call of a step begins, goes on with the next model, and ends without any. Pure."""

from typing import Final

from perdure.workflows.core.actions import CallModel
from perdure.workflows.core.changes import StepOpened, StepPassedOn, TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import AskModel, Effect
from perdure.workflows.core.leases import end_leases, hold
from perdure.workflows.core.limit_changes import TurnCheapened
from perdure.workflows.core.limit_words import exceeded
from perdure.workflows.core.need import Need
from perdure.workflows.core.passing_on import every_failure, next_bid_of_step, next_record
from perdure.workflows.core.prompt import PromptError, build_prompt
from perdure.workflows.core.purses_asked import asked_purses
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.spending import Bid
from perdure.workflows.core.step import StepFailure, finished_step, mark_of, opened_step
from perdure.workflows.protocol.activities import Partial
from perdure.workflows.vocabulary.errors import MODEL_UNAVAILABLE
from perdure.workflows.vocabulary.events import ModelSwitched, StepStarted
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.questions import Shortfall

#: Of a model that was never asked.
_UNASKED: Final = Partial(attempt=0, lost=0, streaming=False)


def call_model(draft: Draft, action: CallModel) -> tuple[Effect, ...]:
    """None where there is nothing to call the model with; the turn ends for it."""
    state = draft.state
    record = opened_step(state, action)
    try:
        build_prompt(state, record)
    except PromptError as problem:
        draft.add(TurnBroken(error=problem.error))
        return ()
    if asked_purses(state):
        if end_leases(draft):
            return ()
        hold(draft, action.step_id, Need(cost_usd=action.reserved_usd, tokens=action.reserved_tokens))
        record = opened_step(draft.state, action)
    last = state.slot.last_model
    if last is None and action.cheaper and (dear := first_hop(state)) is not None:
        last = dear.model.use
    if last is not None and last != record.model and not record.asks:
        own = action.role == draft.turn.role
        reason = "message" if own else "configured" if action.role == state.slot.role else "definition"
        reason = "budget" if action.cheaper else reason
        draft.add(
            ModelSwitched(**draft.stamp, step_id=action.step_id, **{"from": last}, to=record.model, reason=reason)
        )
    if action.cheaper:
        draft.add(TurnCheapened())
    draft.add(StepOpened(record=record))
    draft.add(StepStarted(**draft.stamp, step_id=action.step_id, model=record.model, block=mark_of(record)))
    return (AskModel(record),)


def ask_next_model(draft: Draft) -> tuple[Effect, ...]:
    """None where the next model would cost more than is left; the turn ends for it."""
    step, made = draft.turn.step, next_bid_of_step(draft.state)
    assert step is not None
    if draft.turn.error is not None or not isinstance(made, Bid):
        over = draft.turn.error or (exceeded(made) if isinstance(made, Shortfall) else made)
        assert isinstance(over, ToolError)
        error = every_failure(step, over)
        draft.add(finished_step(step, StepFailure(error, _UNASKED), stopping=False, stamp=draft.stamp))
        draft.add(TurnBroken(error=error))
        return ()
    if asked_purses(draft.state):
        if end_leases(draft):
            return ()
        hold(draft, step.step_id, made.need)
    record, reason = next_record(draft.state, made), step.tried[-1].reason
    draft.add(
        ModelSwitched(**draft.stamp, step_id=step.step_id, **{"from": step.model}, to=record.model, reason=reason)
    )
    draft.add(StepPassedOn(record=record))
    return (AskModel(record),)


def end_step(draft: Draft) -> None:
    step = draft.turn.step
    assert step is not None
    error = ToolError(type=MODEL_UNAVAILABLE, message=step.tried[-1].message)
    draft.add(finished_step(step, StepFailure(error, _UNASKED), stopping=True, stamp=draft.stamp))
