"""How a model call opens, and how it ends: what the activity returned, or failed with, as a `step.finished` event. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeout

from perdure.workflows.core.state import SessionState
from perdure.workflows.core.turn import CallModel, sent
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.commands import StepRecord
from perdure.workflows.vocabulary.errors import MODEL_TIMEOUT, MODEL_UNEXPECTED, WORKER_DIED
from perdure.workflows.vocabulary.parts import Message, Part, StopReason, Timing, ToolError, preview


@dataclass(frozen=True)
class FinishedStep:
    #: Fields of `StepFinished`.
    event: dict[str, Any]
    error: ToolError | None = None
    #: The answer was cut short by a stop.
    stopped: bool = False
    tools_digest: str = ""


def opened_step(state: SessionState, action: CallModel) -> StepRecord:
    """What is kept of a step that opens now: `action` is what the state asks for."""
    assert state.turn is not None
    assert state.loaded is not None
    return StepRecord(
        step_id=action.step_id,
        turn_id=state.turn.turn_id,
        digest=state.loaded.digest,
        role=action.role,
        model=state.loaded.definition.models[action.role].use,
        view=state.view,
        reserved_usd=action.reserved_usd,
        sent=sent(state),
        nudge=action.nudge,
    )


def finished_step(
    record: StepRecord, outcome: StepOutput | ActivityError, stopping: bool, now: datetime
) -> FinishedStep:
    """`outcome` is what the activity gave; `stopping` says whether the turn was being stopped meanwhile."""
    if isinstance(outcome, StepOutput):
        stopped = outcome.stop == "stopped"
        books = Spent(usage=outcome.usage, cost_usd=outcome.cost_usd) + (outcome.before or Spent())
        event = _event(record, outcome.parts, outcome.stop, now) | {
            "model": record.model,
            "usage": books.usage,
            "cost_usd": _charged(record, books.cost_usd, outcome.lost),
            "timing": outcome.timing,
            "attempt": outcome.attempt,
            "request_sha256": outcome.request_sha256,
        }
        if outcome.stop_raw is not None:
            event["stop_raw"] = outcome.stop_raw
        return FinishedStep(event, stopped=stopped, tools_digest=outcome.tools_digest)
    partial = _partial(outcome)
    lost = partial.lost + (partial.streaming and partial.spent is None)
    books = (partial.before or Spent()) + (partial.spent or Spent())
    for _ in range(partial.silent):
        books += record.sent or Spent(cost_usd=record.reserved_usd)
    event = _event(record, partial.parts if stopping else (), "stopped" if stopping else "error", now) | {
        "model": record.model,
        "usage": books.usage,
        "cost_usd": _charged(record, books.cost_usd, lost),
        "timing": Timing(total_ms=0),
        "attempt": partial.attempt,
        "request_sha256": None,
    }
    return FinishedStep(event, error=None if stopping else _error(outcome))


def _event(record: StepRecord, parts: tuple[Part, ...], stop: StopReason, now: datetime) -> dict[str, Any]:
    stopped = True if stop == "stopped" else None
    message = Message(id=record.step_id, role="assistant", parts=parts, turn_id=record.turn_id, at=now, stopped=stopped)
    return {"step_id": record.step_id, "message": message, "stop": stop}


def _charged(record: StepRecord, cost: float | None, lost: int) -> float | None:
    """A lost attempt that had begun to stream, and whose worker did not count, is charged what was reserved for it."""
    if lost == 0:
        return cost
    return None if cost is None or record.reserved_usd is None else cost + lost * record.reserved_usd


def _partial(failure: ActivityError) -> Partial:
    """What the last heartbeat, or the failure itself, says of the attempts that were lost."""
    cause = failure.cause
    details: list[Any] = []
    if isinstance(cause, TemporalTimeout):
        details = list(cause.last_heartbeat_details)
    elif isinstance(cause, ApplicationError | CancelledError):
        details = list(cause.details)
    for detail in details:
        try:
            return Partial.model_validate(detail)
        except ValidationError:
            continue
    # It ran and told nothing of itself: it may have been sent.
    silent = isinstance(cause, TemporalTimeout) or (isinstance(cause, ApplicationError) and cause.type == WORKER_DIED)
    return Partial(attempt=1, lost=0, streaming=False, silent=int(silent))


def _error(failure: ActivityError) -> ToolError:
    cause = failure.cause
    if isinstance(cause, ApplicationError):
        return ToolError(
            type=cause.type or MODEL_UNEXPECTED, message=preview(cause.message), retryable=not cause.non_retryable
        )
    if isinstance(cause, TemporalTimeout):
        return ToolError(type=MODEL_TIMEOUT, message="The model call timed out.", retryable=True)
    return ToolError(type=MODEL_UNEXPECTED, message=str(cause or failure))
