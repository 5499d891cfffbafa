"""What can go wrong with a request: one exception for each `code` that the server answers with.

Rule: a code has one class, which lies below a class of its kind. A code without a class, as of a newer server, is an
instance of its kind."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class PerdureError(Exception):
    """A request failed; the base of all that the client raises. Its text is for people, `code` for programs."""

    #: The stable code; of a class, the one that it stands for, and "" where it stands for a kind of them.
    code: str = ""
    #: The status of the answer; 0 where there was none.
    status: int
    #: The problem as the server sent it (RFC 9457); empty where it sent none.
    problem: Mapping[str, Any]
    #: Fields that are wrong, each with `field` and `message`.
    errors: Sequence[Mapping[str, Any]]
    #: Seconds to wait before the next attempt, where the server says so.
    retry_after: float | None
    #: Whether the same request may succeed later.
    passes: ClassVar[bool] = False

    def __init__(
        self, words: str, status: int = 0, problem: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(words)
        self.status = status
        self.problem = problem or {}
        self.code = str(self.problem.get("code") or self.code)
        self.errors = self.problem.get("errors") or ()
        self.retry_after = retry_after


class Unreachable(PerdureError):
    """Nobody answered: the server is away, or the connection broke. What was asked may have been done all the same."""

    passes = True


class Invalid(PerdureError):
    """The request is not valid; `errors` names the fields."""

    code = "validation"


class Unauthenticated(PerdureError):
    """Who calls is not known."""

    code = "unauthenticated"


class Forbidden(PerdureError):
    """The caller may not do this."""

    code = "forbidden"


class NotFound(PerdureError):
    """There is no such thing, or not for this caller."""

    code = "not_found"


class Conflict(PerdureError):
    """The session's state does not allow this."""


class TooMany(PerdureError):
    """There was too much at once; nothing of the request was done."""

    code = "too_many"
    passes = True


class Unavailable(PerdureError):
    """The server, or something behind it, is away for now."""

    passes = True


class ServerFailed(PerdureError):
    """Something went wrong in the server."""

    code = "internal"


class FileUnreadable(Invalid):
    """The file cannot be read."""

    code = "file_unreadable"


class FileNotTaken(Invalid):
    """The model does not take this file."""

    code = "file_not_taken"


class BodyTooLarge(Invalid):
    """The body is too large."""

    code = "body_too_large"


class SessionNotFound(NotFound):
    """There is no such session."""

    code = "session_not_found"


class AgentNotFound(NotFound):
    """There is no such agent."""

    code = "agent_not_found"


class TimerNotFound(NotFound):
    """There is no such timer."""

    code = "timer_not_found"


class BudgetNotFound(NotFound):
    """There is no such budget."""

    code = "budget_not_found"


class MessageNotFound(NotFound):
    """The session has no such message."""

    code = "message_not_found"


class BranchNotFound(NotFound):
    """The session has no such branch."""

    code = "branch_not_found"


class IdConflict(Conflict):
    """The id is taken by something else."""

    code = "id_conflict"


class SessionClosed(Conflict):
    """The session is closed."""

    code = "session_closed"


class Busy(Conflict):
    """The session is at work, and this message does not wait."""

    code = "busy"


class MessageNotQueued(Conflict):
    """The message is no longer queued."""

    code = "message_not_queued"


class MessageWithdrawn(Conflict):
    """The message was withdrawn."""

    code = "message_withdrawn"


class TurnRunning(Conflict):
    """The turn has not ended yet."""

    code = "turn_running"


class AlreadyAnswered(Conflict):
    """The question is not open any more."""

    code = "already_answered"


class NotRewindable(Conflict):
    """The conversation cannot go on from there."""

    code = "not_rewindable"


class OtherBranch(Conflict):
    """The message is on another branch."""

    code = "other_branch"


class RewindOpen(Conflict):
    """Another rewind is pending; it may be waiting for an answer."""

    code = "rewind_open"


class TooManyBranches(Conflict):
    """The session can have no more branches; fork it to go on."""

    code = "too_many_branches"


class NothingToRetry(Conflict):
    """There is no turn to continue."""

    code = "nothing_to_retry"


class RateLimited(TooMany):
    """Too many requests."""

    code = "rate_limited"


class TooManyStreams(TooMany):
    """Too many event streams are open."""

    code = "too_many_streams"


class TooManyTurns(TooMany):
    """Too many sessions are at work."""

    code = "too_many_turns"


class NoWorker(Unavailable):
    """No worker answers for the session."""

    code = "no_worker"


class Overloaded(Unavailable):
    """More is asked for than can be done now."""

    code = "overloaded"


class Stopping(Unavailable):
    """The gateway is about to stop."""

    code = "stopping"


class IssuerUnavailable(Unavailable):
    """The identity provider does not answer."""

    code = "issuer_unavailable"


class StoreUnavailable(Unavailable):
    """The blob store cannot be used."""

    code = "store_unavailable"


class TemporalUnavailable(Unavailable):
    """Temporal does not answer."""

    code = "temporal_unavailable"


class StateLost(ServerFailed):
    """What the session carried is lost from the blob store."""

    code = "state_lost"


class StoreFull(ServerFailed):
    """The blob store has no room."""

    code = "store_full"
