"""What a session waits for from outside, what was settled, and what a person allowed for the rest of it."""

from dataclasses import dataclass
from typing import Final

from perdure.workflows.core.binding import Allowed
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.vocabulary.questions import Question

KEPT_SETTLED: Final = 200
KEPT_ALLOWED: Final = 200


@dataclass(frozen=True, kw_only=True)
class Settled(Record):
    """A question that is settled, so that whoever comes late is told so."""

    question_id: str
    #: Of the answer that counted; None where it was settled without one.
    answer_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Questions(Record):
    #: The oldest first.
    open: tuple[Question, ...] = ()
    #: The last that were settled.
    settled: tuple[Settled, ...] = ()
    #: What a person allowed for the rest of the session.
    allowed: tuple[Allowed, ...] = ()
    #: Nobody is asked any more: a sub-agent's session was told that people have said something else.
    muted: bool = False

    def find(self, question_id: str) -> Question | None:
        """The question, if it is open."""
        return next((one for one in self.open if one.question_id == question_id), None)

    @property
    def last_answer(self) -> tuple[str, str]:
        """The last question that was settled by an answer, and the answer's id; both empty where none was lately."""
        found = ((one.question_id, one.answer_id) for one in reversed(self.settled) if one.answer_id is not None)
        return next(found, ("", ""))

    def asked(self, question: Question) -> "Questions":
        return replace(self, open=(*self.open, question))

    def closed(self, settled: Settled, allow: Allowed | None = None) -> "Questions":
        allowed = self.allowed
        if allow is not None:
            same = next((one for one in allowed if one.model_copy(update={"at": allow.at}) == allow), None)
            # What was allowed before counts from then on.
            allowed = (*(one for one in allowed if one is not same), same or allow)[-KEPT_ALLOWED:]
        return replace(
            self,
            open=tuple(one for one in self.open if one.question_id != settled.question_id),
            settled=(*self.settled, settled)[-KEPT_SETTLED:],
            allowed=allowed,
        )
