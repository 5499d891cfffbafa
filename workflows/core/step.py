"""How a model call opens, and how it ends: what came of it as a `step.finished` event. Pure."""

from dataclasses import dataclass
from datetime import datetime

from perdure.workflows.core.actions import CallModel
from perdure.workflows.core.budget import sent
from perdure.workflows.core.changes import Stamp
from perdure.workflows.core.context.estimate import shown_tokens
from perdure.workflows.core.context.views import view_of
from perdure.workflows.core.dates import turn_start
from perdure.workflows.core.handlers.steps import asking_of, step_block
from perdure.workflows.core.routing import first_place, route_of
from perdure.workflows.core.session_variables import told_of
from perdure.workflows.core.spending import left
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.events import StepFinished
from perdure.workflows.vocabulary.parts import Message, Part, StopReason, Timing, ToolError


@dataclass(frozen=True)
class StepFailure:
    """A model call that failed for good, or was cancelled before it had an answer."""

    error: ToolError
    #: What is known of the attempts that were lost.
    partial: Partial
    #: Attempts that there may have been, where more than `partial` knows of; 0: it knows.
    attempts: int = 0
    #: Of a request that was too long: tokens that its model can read at once, and those that it had, where the provider
    #: says so.
    window: int | None = None
    tokens: int | None = None

    @property
    def most_attempts(self) -> int:
        return max(self.attempts, self.partial.attempt)


def opened_step(state: SessionState, action: CallModel) -> StepRecord:
    """What is kept of a step that opens now: `action` is what the state asks for."""
    loaded = state.slot.loaded
    assert loaded is not None
    hops, place = route_of(state, action.role), first_place(state, action.role)
    return StepRecord(
        step_id=action.step_id,
        turn_id=in_turn(state).turn_id,
        digest=loaded.digest,
        role=action.role,
        model=hops[place].model.use,
        view=view_of(state),
        reserved_usd=action.reserved_usd,
        sent=sent(state, hops[place]),
        nudge=action.nudge,
        misfit=in_turn(state).misfit if action.nudge == "misfit" else None,
        bound=action.bound,
        left=left(state, action.step_id),
        hop=place,
        ahead=len(hops) - place - 1,
        turn_at=turn_start(state, in_turn(state).turn_id),
        timezone=state.timezone,
        estimate=shown_tokens(state) if state.behavior >= 1 else 0,
        variables=None if asking_of(state) is not None else told_of(state),
        block=step_block(state, hops[place]),
    )


def finished_step(record: StepRecord, outcome: StepOutput | StepFailure, stopping: bool, stamp: Stamp) -> StepFinished:
    """`stopping` says whether the turn was being stopped when the model call ended."""
    books = sum((one.spent for one in record.tried), books_of(record, outcome))
    if isinstance(outcome, StepOutput):
        return StepFinished(
            **stamp,
            step_id=record.step_id,
            message=_message(record, outcome.parts, outcome.stop, stamp["at"]),
            model=record.model,
            usage=books.usage,
            cost_usd=books.cost_usd,
            timing=outcome.timing,
            stop=outcome.stop,
            attempt=record.attempts_before + outcome.attempt,
            request_sha256=outcome.request_sha256,
            stop_raw=outcome.stop_raw,
            adapted=outcome.adapted,
            skipped=outcome.skipped,
            block=mark_of(record),
            # What a handler asks for is looked at by its block.
            misfit=None if outcome.answer is None or record.asks else outcome.answer.misfit,
        )
    partial = outcome.partial
    stop: StopReason = "stopped" if stopping else "error"
    return StepFinished(
        **stamp,
        step_id=record.step_id,
        message=_message(record, partial.parts if stopping else (), stop, stamp["at"]),
        model=record.model,
        usage=books.usage,
        cost_usd=books.cost_usd,
        timing=Timing(total_ms=0),
        stop=stop,
        attempt=record.attempts_before + partial.attempt,
        request_sha256=None,
        block=mark_of(record),
    )


def mark_of(record: StepRecord) -> Block | None:
    """What events say of the handler's block that the step belongs to."""
    return record.block.block if record.block is not None else None


def books_of(record: StepRecord, outcome: StepOutput | StepFailure) -> Spent:
    """What the attempts of the step's model, without those of models before it, used and cost."""
    if isinstance(outcome, StepOutput):
        books = Spent(usage=outcome.usage, cost_usd=outcome.cost_usd) + (outcome.before or Spent())
        return _charged(record, books, outcome.lost)
    partial = outcome.partial
    books = (partial.before or Spent()) + (partial.spent or Spent())
    for _ in range(partial.silent):
        books += record.sent or Spent(cost_usd=record.reserved_usd)
    return _charged(record, books, partial.lost + (partial.streaming and partial.spent is None))


def _message(record: StepRecord, parts: tuple[Part, ...], stop: StopReason, at: datetime) -> Message:
    if record.hides:
        parts = ()
    stopped = True if stop == "stopped" else None
    return Message(id=record.step_id, role="assistant", parts=parts, turn_id=record.turn_id, at=at, stopped=stopped)


def _charged(record: StepRecord, books: Spent, lost: int) -> Spent:
    """A lost attempt that had begun to stream, and whose worker did not count, is charged what was reserved for it."""
    cost, reserved = books.cost_usd, record.reserved_usd
    if lost == 0:
        return books
    return Spent(usage=books.usage, cost_usd=None if cost is None or reserved is None else cost + lost * reserved)
