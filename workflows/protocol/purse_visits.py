"""What a purse has done by itself: sessions are visited, which it wants to hear from or to tell something."""

from typing import Literal

from pydantic import Field

from perdure.workflows.protocol.purses import HolderReport, PurseChanged
from perdure.workflows.vocabulary.parts import Frozen, absent


class Visit(Frozen):
    """A session that a purse wants to hear from, or to tell something."""

    session_id: str
    #: To be told first.
    tell: PurseChanged | None = Field(default=None, exclude_if=absent)
    #: What it has of the purse is wanted.
    ask: bool = False


class VisitSessions(Frozen):
    """Input of the activity `visit_sessions`. The purse is the workflow that runs the activity."""

    visits: tuple[Visit, ...]
    #: To be told to all sessions of the user, or the tenant, that are at work or wait for somebody.
    at_work: PurseChanged | None = Field(default=None, exclude_if=absent)


class Visited(Frozen):
    """What became of a visit."""

    session_id: str
    #: `gone`: there is no such session any more; `unknown`: nobody could be asked.
    found: Literal["open", "over", "gone", "unknown"]
    #: None where it was not asked, or nobody could tell.
    report: HolderReport | None = Field(default=None, exclude_if=absent)


class SessionsVisited(Frozen):
    visited: tuple[Visited, ...]
