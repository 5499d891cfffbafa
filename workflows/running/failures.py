"""Temporal's failures as the data that the core knows. Pure."""

from typing import Any

from pydantic import ValidationError
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError
from temporalio.exceptions import TimeoutError as TemporalTimeout

from perdure.workflows.core.step import StepFailure
from perdure.workflows.protocol.activities import Partial
from perdure.workflows.running.activity_options import MODEL_ATTEMPTS
from perdure.workflows.vocabulary.errors import MODEL_TIMEOUT, MODEL_UNEXPECTED, TOOL_FAILED, WORKER_DIED
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import ToolError


def step_failure(failure: ActivityError) -> StepFailure:
    """Of a model call."""
    # A time-out is final only once there were as many attempts as there may be.
    attempts = MODEL_ATTEMPTS if isinstance(failure.cause, TemporalTimeout) else 0
    told = _details(failure)
    return StepFailure(
        _step_error(failure),
        _partial(failure),
        attempts,
        window=_number(told, "window"),
        tokens=_number(told, "tokens"),
    )


def local_failure(failure: FailureError) -> ToolError:
    """Of a local activity, which comes as it was raised, or in an ActivityError."""
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    if isinstance(cause, ApplicationError):
        return ToolError(type=cause.type or TOOL_FAILED, message=preview(cause.message))
    return ToolError(type=TOOL_FAILED, message=str(cause or failure))


def _details(failure: ActivityError) -> dict[str, Any]:
    """What the provider's error said, as the model call read it."""
    details = failure.cause.details if isinstance(failure.cause, ApplicationError) else ()
    return next((one for one in details if isinstance(one, dict) and "provider" in one), {})


def _number(told: dict[str, Any], name: str) -> int | None:
    found = told.get(name)
    return found if isinstance(found, int) and found > 0 else None


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
    # It ran and said nothing of itself: it may have been sent.
    silent = isinstance(cause, TemporalTimeout) or (isinstance(cause, ApplicationError) and cause.type == WORKER_DIED)
    return Partial(attempt=1, lost=0, streaming=False, silent=int(silent))


def _step_error(failure: ActivityError) -> ToolError:
    cause = failure.cause
    if isinstance(cause, ApplicationError):
        # A call that is given up early, for another model goes on, might succeed later all the same.
        told = next((one["retryable"] for one in cause.details if isinstance(one, dict) and "retryable" in one), None)
        retryable = told is True if told is not None else not cause.non_retryable
        return ToolError(type=cause.type or MODEL_UNEXPECTED, message=preview(cause.message), retryable=retryable)
    if isinstance(cause, TemporalTimeout):
        return ToolError(type=MODEL_TIMEOUT, message="The model call timed out.", retryable=True)
    return ToolError(type=MODEL_UNEXPECTED, message=str(cause or failure))
