"""How the log shows a failed activity: one line if the failure is an answer, one trace if it is a bug.

The SDK logs each failed attempt with the stack of the whole worker, which hides the user's own line.

Rule 1: a failure with an error type of its own is an answer: invalid arguments, a tool's refusal, a model server that
is unavailable. It takes one line, at INFO.
Rule 2: any other exception is a bug, at WARNING. Its trace begins at the first frame of the user's own code, and is
shown once per call, despite retries. For a bug in another process, the trace is a note on the failure.
"""

import logging
import traceback
from collections import OrderedDict
from types import TracebackType
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.temporal.telemetry.user_code import is_users

#: The SDK's mark on the records of failed activities.
_MARK: Final = "__temporal_error_identifier"
#: The prefix of the error types of model calls.
_MODEL: Final = "model_"
#: How many shown traces are remembered.
_SHOWN: Final = 1000


class FailureLines(logging.Filter):
    """Rewrites the SDK's log records of failed activities."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.__dict__.get(_MARK) != "ActivityFailure" or not record.exc_info or not activity.in_activity():
            return True
        error = record.exc_info[1]
        if error is None:
            return True
        info = activity.info()
        again = f" (attempt {info.attempt})" if info.attempt > 1 else ""
        bug = bug_behind(error)
        frames, line = user_frames(bug or error), user_line(bug or error)
        place = f" at {line.filename}:{line.lineno}" if line else ""
        record.msg = f"{info.activity_type} failed{again}: {_words(bug or error)}{place}"
        record.args = ()
        record.exc_info = record.exc_text = None
        trace = "\n".join(getattr(error, "__notes__", ()))
        if bug is None and not trace:
            return not _is_model_s(error) and self._lower(record)
        if not self._is_new((info.workflow_id or "", info.activity_id, str(record.msg).replace(again, ""))):
            return True
        if bug is not None:
            record.exc_info = (type(bug), bug, frames or bug.__traceback__)
        else:
            # Set for the standard library's formatters, and for ours.
            record.exc_text = record.__dict__["exception"] = trace
        return True

    def _is_new(self, key: tuple[str, ...]) -> bool:
        if key in self._shown:
            return False
        self._shown[key] = None
        while len(self._shown) > _SHOWN:
            self._shown.popitem(last=False)
        return True

    @staticmethod
    def _lower(record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return logging.getLogger(record.name).isEnabledFor(logging.INFO)


def summarize_failures() -> None:
    """Installs a `FailureLines` on the SDK's activity logger, replacing an earlier one."""
    logger = logging.getLogger("temporalio.activity")
    for other in [one for one in logger.filters if isinstance(one, FailureLines)]:
        logger.removeFilter(other)
    logger.addFilter(FailureLines())


def bug_behind(error: BaseException) -> BaseException | None:
    """The exception that was not raised on purpose; None if the failure has an error type of its own."""
    if not isinstance(error, ApplicationError):
        return error
    # An ApplicationError that was raised `from None` has only its context.
    behind = error.__cause__ or error.__context__
    # A tool's exception travels as an ApplicationError with the name of its class as the type.
    return behind if behind is not None and error.type == type(behind).__name__ else None


def trace_of(bug: BaseException) -> str:
    """The trace of `bug`, from the first frame of the user's code on."""
    return "".join(traceback.format_exception(type(bug), bug, user_frames(bug) or bug.__traceback__)).rstrip()


def _is_model_s(error: BaseException) -> bool:
    """Whether it is a model call's failure, which `activities.models.failure_log` has logged with the model's
    address."""
    return isinstance(error, ApplicationError) and (error.type or "").startswith(_MODEL)


def user_frames(error: BaseException) -> TracebackType | None:
    """The traceback of `error` from the first frame of the user's code on; None if there is none."""
    frames = error.__traceback__
    while frames is not None and not is_users(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return frames


def user_line(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost line of the user's code that `error` passed through; None if there is none."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return own[-1] if own else None


def _words(error: BaseException) -> str:
    if isinstance(error, ApplicationError):
        return f"{error.type}: {error.message}" if error.type else error.message
    return f"{type(error).__name__}: {error}"
