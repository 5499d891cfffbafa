"""What can go wrong with a session, as exceptions. `code` is stable; a gateway and a command line each render them.

Rule: `detail` is one or two sentences for people. It names fields of the request, cut short, and nothing internal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.sessions.limits.bucket import Verdict

Code = Literal[
    "forbidden",
    "session_not_found",
    "timer_not_found",
    "budget_not_found",
    "message_not_found",
    "branch_not_found",
    "validation",
    "file_unreadable",
    "file_not_taken",
    "id_conflict",
    "session_closed",
    "busy",
    "message_not_queued",
    "message_withdrawn",
    "turn_running",
    "already_answered",
    "not_rewindable",
    "other_branch",
    "rewind_open",
    "too_many_branches",
    "nothing_to_retry",
    "too_many",
    "rate_limited",
    "too_many_streams",
    "too_many_turns",
    "no_worker",
    "overloaded",
    "state_lost",
    "temporal_unavailable",
]
_MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str
    message: str


class SessionError(Exception):
    """Base of all. Without a `detail`, the title stands in for it."""

    code: ClassVar[Code]
    title: ClassVar[str]

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or f"{self.title}."


class Forbidden(SessionError):
    """Only of what the caller knows to be there: what it must not know of is not found."""

    code = "forbidden"
    title = "The caller may not do this"


class SessionNotFound(SessionError):
    code = "session_not_found"
    title = "There is no such session"


class TimerNotFound(SessionError):
    code = "timer_not_found"
    title = "There is no such timer"


class BudgetNotFound(SessionError):
    code = "budget_not_found"
    title = "There is no such budget"


class MessageNotFound(SessionError):
    code = "message_not_found"
    title = "The session has no such message"


class BranchNotFound(SessionError):
    code = "branch_not_found"
    title = "The session has no such branch"


class InvalidRequest(SessionError):
    """`message` goes on after the name of the field: `agent: is required`. Without a field, it is the whole detail, of
    `errors` if there are several."""

    code: ClassVar[Code] = "validation"
    title = "The request is not valid"

    def __init__(self, field: str | None, message: str, errors: Sequence[FieldError] = ()) -> None:
        named = None if field is None else FieldError(cut(field), cut(message))
        self.errors = tuple(errors) or (() if named is None else (named,))
        super().__init__(message if named is None else f"{named.field}: {named.message}")


class FileUnreadable(InvalidRequest):
    code = "file_unreadable"
    title = "The file cannot be read"


class FileNotTaken(InvalidRequest):
    code = "file_not_taken"
    title = "The model does not take this file"


class IdConflict(SessionError):
    code = "id_conflict"
    title = "The id is taken by something else"


class SessionClosed(SessionError):
    code = "session_closed"
    title = "The session is closed"


class SessionBusy(SessionError):
    code = "busy"
    title = "The session is at work, and this message does not wait"


class MessageNotQueued(SessionError):
    code = "message_not_queued"
    title = "The message is no longer queued"


class MessageWithdrawn(SessionError):
    code = "message_withdrawn"
    title = "The message was withdrawn"


class TurnRunning(SessionError):
    code = "turn_running"
    title = "The turn has not ended yet"


class AlreadyAnswered(SessionError):
    code = "already_answered"
    title = "The question is not open any more"


class NotRewindable(SessionError):
    code = "not_rewindable"
    title = "The conversation cannot go on from there"


class OtherBranch(SessionError):
    code = "other_branch"
    title = "The message is on another branch"


class RewindOpen(SessionError):
    code = "rewind_open"
    title = "Another rewind is pending; it may be waiting for an answer"


class TooManyBranches(SessionError):
    code = "too_many_branches"
    title = "The session can have no more branches; fork it to go on"


class NothingToRetry(SessionError):
    code = "nothing_to_retry"
    title = "There is no turn to continue"


class TooMany(SessionError):
    code = "too_many"
    title = "Too much at once"


class LimitReached(SessionError):
    """A limit of the caller's or of its tenant's; the same request may pass in `retry_after_s` seconds."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class RateLimited(LimitReached):
    """`verdict` says what is left of each limit on requests."""

    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_s: int, verdict: Verdict) -> None:
        super().__init__(detail, retry_after_s)
        self.verdict = verdict


class TooManyStreams(LimitReached):
    code = "too_many_streams"
    title = "Too many event streams are open"


class TooManyTurns(LimitReached):
    code = "too_many_turns"
    title = "Too many sessions are at work"


class NoWorker(SessionError):
    code = "no_worker"
    title = "No worker answers for the session"


class Overloaded(SessionError):
    code = "overloaded"
    title = "More is asked for than can be done now"


class StateLost(SessionError):
    code = "state_lost"
    title = "What the session carried is lost from the blob store"


class TemporalSilent(SessionError):
    code = "temporal_unavailable"
    title = "Temporal does not answer"


def from_rpc(error: RPCError) -> SessionError:
    """Temporal's refusals that no call expects. Temporal's own words stay in the log: they may name internals."""
    match error.status:
        case RPCStatusCode.NOT_FOUND:
            return SessionNotFound()
        case RPCStatusCode.RESOURCE_EXHAUSTED:
            return TooMany()
        case _:
            return TemporalSilent()


def cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
