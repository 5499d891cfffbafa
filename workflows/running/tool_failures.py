"""Why a tool call failed, as data: Temporal's failure of an activity to what the model and viewers are shown. Pure.

Rule: a call of a `once` tool that had begun and did not tell its end has the type `outcome_unknown`, never another.
"""

from typing import Final

from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, ServerError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from perdure.workflows.core.calls.results import STOPPED, UNKNOWN
from perdure.workflows.definition.tools import ToolUse
from perdure.workflows.vocabulary.errors import (
    MCP_LOST,
    NO_WORKER,
    PAYLOADS_TOO_LARGE,
    RESULT_TOO_LARGE,
    TOOL_CRASHED,
    TOOL_FAILED,
    TOOL_TIMEOUT,
    WORKER_DIED,
)
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import ToolError

#: A server's words where an SDK sent what is too big.
_EXCEEDS: Final = "exceeds size limit"
_TOO_LARGE: Final = "The tool ran, but its result is too big for its worker to send."


def as_data(failure: ActivityError, use: ToolUse) -> ToolError:
    """The error that is the call's result."""
    cause = failure.cause
    once = use.side_effects == "once"
    match cause:
        case ApplicationError(type=type_) if type_ == WORKER_DIED:
            return UNKNOWN if once else _error(TOOL_FAILED, "The worker that ran this call was lost.", retryable=True)
        case ApplicationError(type=type_) if once and type_ in (MCP_LOST, TOOL_CRASHED):
            return UNKNOWN
        case ApplicationError(type=type_) if type_ == PAYLOADS_TOO_LARGE:
            return _error(RESULT_TOO_LARGE, _TOO_LARGE)
        case ServerError() if _EXCEEDS in cause.message:
            return _error(RESULT_TOO_LARGE, _TOO_LARGE)
        case ApplicationError():
            kind = cause.type or TOOL_FAILED
            final = cause.non_retryable or kind in use.retry.non_retryable
            return _error(kind, preview(cause.message), retryable=not final)
        case TemporalTimeout(type=TimeoutType.SCHEDULE_TO_START):
            queue = use.task_queue or "its task queue"
            return _error(NO_WORKER, f"No worker of {queue} took this call, so it did not run.", retryable=True)
        case TemporalTimeout() if once:
            return UNKNOWN
        case TemporalTimeout(type=TimeoutType.HEARTBEAT):
            return _error(TOOL_TIMEOUT, "The worker that ran this call fell silent.", retryable=True)
        case TemporalTimeout():
            return _error(TOOL_TIMEOUT, "The tool did not answer in time.", retryable=True)
        case CancelledError():
            return UNKNOWN if once else STOPPED
        case _:
            return _error(TOOL_FAILED, str(cause or failure))


def _error(kind: str, message: str, *, retryable: bool = False) -> ToolError:
    return ToolError(type=kind, message=message, retryable=retryable)
