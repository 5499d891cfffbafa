"""Who may allow or deny a call, or answer a handler: the roles that a definition names, and nobody who asked for it. Pure.

Rule 1: what counts is what the question says, whatever becomes of the definition meanwhile.
Rule 2: without authentication there is one person, who may do everything (`LOCAL`).
Rule 3: who takes a call back has to be one who could have allowed it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perdure.workflows.core.state.handlers import AskingPerson
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.tools.options import Approval
from perdure.workflows.vocabulary.questions import LOCAL, By, Question, subject_of

#: Since this behavior, a user is excluded under the name by which they answer; older sessions knew their bare name.
EXCLUDES_SUBJECTS: Final = 3
#: Of those who asked a session for something, the last ones.
MOST_REQUESTERS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Requested:
    """This subject has asked the session for something: by a message, other words for one, a rewind, a retry."""

    subject: str


def with_requester(requesters: tuple[str, ...], subject: str) -> tuple[str, ...]:
    return (*(one for one in requesters if one != subject), subject)[-MOST_REQUESTERS:]


def asked_by(state: SessionState) -> tuple[str, ...]:
    """The subjects for whom a session works: its user, and whoever asked it, or a session above it, for something."""
    user = () if state.new.user is None else (subject_of(state.new.user),)
    return tuple(dict.fromkeys((*user, *state.requesters)))


def excluded(state: SessionState, approval: Approval | AskingPerson | None) -> tuple[str, ...]:
    """The subjects who may not answer: those for whom the session works."""
    if approval is None or approval.not_by is None:
        return ()
    if state.behavior < EXCLUDES_SUBJECTS and state.new.user is not None:
        return tuple(dict.fromkeys((state.new.user, *state.requesters)))
    return asked_by(state)


def refusal(question: Question, by: By | None) -> str | None:
    """Why this subject may not answer, as a sentence for people; None: it may."""
    if by is not None and by.subject == LOCAL:
        return None
    if question.not_by and (by is None or by.subject in question.not_by):
        return "Whoever asked for this may not answer; somebody else has to."
    held = frozenset(by.scopes if by is not None else ())
    asked = [roles for roles in (question.roles, *question.further_roles) if roles]
    if not all(held & frozenset(roles) for roles in asked):
        said = "; and one of these: ".join(", ".join(roles) for roles in asked)
        return f"Only who holds one of these roles may answer: {said}."
    return None


def strictest(groups: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The groups of roles of which somebody has to hold one each, so that one role of every given group is held."""
    given = tuple(dict.fromkeys(groups))
    return tuple(one for one in given if not any(set(other) < set(one) for other in given))
