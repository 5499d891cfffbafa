"""The latest feedback on each turn, as far as a session keeps it in mind; all of it is among the events."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.state.record import Record
from perdure.workflows.protocol.feedback import TurnScore
from perdure.workflows.vocabulary.feedback import FeedbackGiven

#: Turns whose feedback is kept, those that were rated last.
KEPT_FEEDBACK: Final = 200


@dataclass(frozen=True, kw_only=True)
class Given(Record):
    """The latest feedback on a turn."""

    score: float
    #: Of its event.
    seq: int
    #: Of its text, which is in the event; empty where it has none.
    text_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Feedback(Record):
    #: By turn id, what was given last at the end.
    given: dict[str, Given] = field(default_factory=dict)

    def of(self, turn_id: str) -> Given:
        """What counts for the turn; a score of 0 where nothing does."""
        return self.given.get(turn_id) or Given(score=0, seq=0)

    def with_event(self, event: FeedbackGiven) -> "Feedback":
        """With what somebody has given now. What is taken back is not kept."""
        given = {known: one for known, one in self.given.items() if known != event.turn_id}
        assert event.turn_id is not None
        if event.score != 0 or event.text is not None:
            mark = text_mark(event.text)
            given[event.turn_id] = Given(score=event.score, seq=event.seq, text_sha256=mark)
        for oldest in list(given)[: max(len(given) - KEPT_FEEDBACK, 0)]:
            del given[oldest]
        return Feedback(given=given)

    def up_to(self, seq: int) -> "Feedback":
        """What had been given by an event, as far as nothing took its place later."""
        return Feedback(given={turn_id: one for turn_id, one in self.given.items() if one.seq <= seq})

    @property
    def scores(self) -> tuple[TurnScore, ...]:
        return tuple(TurnScore(turn_id=turn_id, score=one.score) for turn_id, one in self.given.items())


def text_mark(text: str | None) -> str:
    """What tells a text from another; empty where there is none."""
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()
