"""What an effect's outcome, or the passing of time, means for a session. Pure.

Rule: an outcome that the session no longer waits for changes nothing; `effects.awaited` says which those are.
"""

from datetime import datetime
from typing import assert_never

from perdure.workflows.core.agent_changes import AgentFailed, AgentLoaded, AgentRenewed, ToolsChanged, ToolsKnown
from perdure.workflows.core.calls.agents import adopted, opened, session_ended
from perdure.workflows.core.calls.asking import expire
from perdure.workflows.core.calls.call import Adopt, Call, Ending, Running
from perdure.workflows.core.calls.ended import give_up, tool_ended
from perdure.workflows.core.changes import (
    AnswerRead,
    Changes,
    ExchangeDeclined,
    ModelGivenUp,
    StopRequested,
    TurnBroken,
)
from perdure.workflows.core.context.blame import what_is_too_long
from perdure.workflows.core.context.ended import compaction_ended, is_too_long, measure, too_long
from perdure.workflows.core.declined import is_declined, left_out_for
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handlers import asking
from perdure.workflows.core.handlers.answered import block_answered
from perdure.workflows.core.handlers.results import result_weighed
from perdure.workflows.core.idle import close_idle
from perdure.workflows.core.lease_changes import LeaseAnswered
from perdure.workflows.core.leases import announce
from perdure.workflows.core.limit_changes import StepUndone
from perdure.workflows.core.outcomes import (
    AgentAdopted,
    AgentOpened,
    AnswerWeighed,
    DefinitionFound,
    DefinitionLoaded,
    ModelEnded,
    Outcome,
    PursesAnswered,
    SealingEnded,
    SessionEnded,
    TimePassed,
    ToolEnded,
    ToolsCompared,
)
from perdure.workflows.core.passing_on import (
    TOO_LONG,
    every_failure,
    next_place,
    reason_to_pass_on,
    tried,
    wider_place,
)
from perdure.workflows.core.pausing import may_ask
from perdure.workflows.core.review import review
from perdure.workflows.core.sealing import fits
from perdure.workflows.core.sealing_changes import PartSealed, SealingFailed
from perdure.workflows.core.session_tools import mark_due
from perdure.workflows.core.spending import QUOTA
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.core.step import StepFailure, finished_step
from perdure.workflows.core.working import keep_time, use_up
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.sealing import Sealed
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.errors import BUDGET_EXCEEDED, MODEL_QUOTA
from perdure.workflows.vocabulary.events import AgentUpdated
from perdure.workflows.vocabulary.parts import ToolError


def settle(state: SessionState, outcome: Outcome, now: datetime) -> Changes:
    """The changes that follow from `outcome`."""
    draft = Draft(state, now)
    match outcome:
        case ModelEnded():
            _model_ended(draft, outcome)
        case DefinitionLoaded():
            _loaded(draft, outcome.found)
        case DefinitionFound():
            draft.add(AgentRenewed(digest=outcome.digest))
            announce(draft, outcome.purses)
        case ToolsCompared():
            draft.add(ToolsKnown(changed=outcome.changed))
        case AnswerWeighed():
            result_weighed(draft, outcome.misfit)
        case PursesAnswered():
            draft.add(LeaseAnswered(answer=outcome.answer))
            review(draft)
        case SealingEnded():
            _sealed(draft, outcome.sealed)
        case TimePassed():
            _time_passed(draft)
        case ToolEnded() | AgentOpened() | SessionEnded() | AgentAdopted():
            call = state.turn.call(outcome.call_id) if state.turn else None
            if call is not None and call.is_open:
                _call_ended(draft, call, outcome)
        case _:
            assert_never(outcome)
    keep_time(draft)
    review(draft)
    return draft.changes


def _call_ended(draft: Draft, call: Call, outcome: ToolEnded | AgentOpened | SessionEnded | AgentAdopted) -> None:
    match outcome:
        case ToolEnded():
            tool_ended(draft, call, outcome.outcome)
        case AgentOpened():
            opened(draft, call, outcome.outcome)
        case SessionEnded():
            session_ended(draft, call, outcome.outcome, has_begun=outcome.began)
        case AgentAdopted():
            assert isinstance(call.stage, Running | Ending)
            assert isinstance(call.stage.work, Adopt)
            adopted(draft, call, call.stage.work, outcome.outcome)
        case _:
            assert_never(outcome)


def _model_ended(draft: Draft, ended: ModelEnded) -> None:
    turn, compaction = draft.state.turn, draft.state.context.open
    if compaction is not None and compaction.record.step_id == ended.step_id:
        if not compaction.between:
            compaction_ended(draft, compaction, ended.outcome)
        return
    if turn is None or turn.step is None or turn.step.step_id != ended.step_id:
        return
    stopping, outcome = turn.stopping or turn.overtime, ended.outcome
    if draft.state.behavior >= 1 and not stopping and is_too_long(outcome) and not turn.step.asks:
        _too_long(draft, turn.step, outcome)
        return
    reason = None if stopping else reason_to_pass_on(outcome)
    if reason is not None and next_place(draft.state, turn.step, reason) is not None:
        draft.add(ModelGivenUp(tried=tried(turn.step, outcome, reason)))
        return
    declined = ended.leaves_out and is_declined(outcome) and not turn.step.asks
    left_out = left_out_for(draft.state, turn.step) if declined else ()
    draft.add(finished_step(turn.step, outcome, stopping, draft.stamp))
    if left_out and not stopping:
        draft.add(ExchangeDeclined(left_out=left_out))
    if isinstance(outcome, StepFailure):
        if not stopping:
            _failed(draft, turn, turn.step, outcome)
        return
    if outcome.stop == "stopped" and not stopping:
        # The provider's stream was closed for a stop that this run has not seen; the turn must not go on.
        draft.add(StopRequested())
    if turn.step.asks:
        block_answered(draft, turn.step, outcome)
    else:
        if outcome.answer is not None and outcome.answer.value is not None:
            draft.add(AnswerRead(value=outcome.answer.value))
        measure(draft, turn.step, outcome)
    loaded = draft.state.slot.loaded
    if outcome.tools_digest and loaded and outcome.tools_digest != loaded.tools_digest:
        draft.add(ToolsChanged())


def _failed(draft: Draft, before: Turn, step: StepRecord, outcome: StepFailure) -> None:
    """The step, of the turn as it was `before`, has failed for good, unless a limit was the reason."""
    error = every_failure(step, outcome.error)
    behaves = draft.state.behavior >= 1
    if behaves and outcome.error.type == BUDGET_EXCEEDED:
        # What is left bears no further attempt like this one: the limits decide anew.
        draft.add(StepUndone(stop=before.stop, odd=before.odd))
    elif behaves and outcome.error.type == MODEL_QUOTA and may_ask(draft.state, QUOTA):
        draft.add(StepUndone(stop=before.stop, odd=before.odd, quota=error))
    else:
        draft.add(TurnBroken(error=error))


def _too_long(draft: Draft, step: StepRecord, outcome: StepOutput | StepFailure) -> None:
    """The request was too long, or its answer filled the model's window."""
    shorter = too_long(draft.state, step, outcome)
    if shorter is None and isinstance(outcome, StepFailure) and wider_place(draft.state, step) is not None:
        draft.add(ModelGivenUp(tried=tried(step, outcome, TOO_LONG)))
        return
    error = what_is_too_long(draft.state, step, outcome) if shorter is None else None
    draft.add(finished_step(step, outcome, stopping=False, stamp=draft.stamp))
    if shorter is not None:
        draft.add(shorter)
    elif isinstance(outcome, StepFailure) and error is not None:
        draft.add(TurnBroken(error=every_failure(step, error)))


def _loaded(draft: Draft, found: LoadedAgent | ToolError) -> None:
    if isinstance(found, ToolError):
        draft.add(AgentFailed(error=found))
        return
    before = draft.state.slot.loaded
    draft.add(AgentLoaded(agent=found))
    if before is not None and before.digest != found.digest:
        draft.add(AgentUpdated(**draft.stamp, old=before.digest, new=found.digest))


def _sealed(draft: Draft, sealed: Sealed | None) -> None:
    if draft.state.sealing.open is None:
        return
    draft.add(PartSealed(sealed=sealed) if sealed is not None and fits(draft.state, sealed) else SealingFailed())


def _time_passed(draft: Draft) -> None:
    asking.expire(draft)
    if draft.state.turn is None:
        mark_due(draft)
        close_idle(draft)
        return
    expire(draft)
    give_up(draft)
    use_up(draft)
