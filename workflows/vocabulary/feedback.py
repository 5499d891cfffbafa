"""What people think of a session's turns."""

from typing import Literal

from pydantic import Field

from perdure.workflows.vocabulary.event_base import EventBase
from perdure.workflows.vocabulary.parts import absent
from perdure.workflows.vocabulary.questions import Answerer


class FeedbackGiven(EventBase):
    """Somebody has rated the turn `turn_id`, which may be over for long. The latest feedback on a turn counts."""

    type: Literal["feedback.given"] = "feedback.given"
    #: The scale is the caller's. The pages give 1 and -1; 0 takes back what was given.
    score: float
    #: Why, in the words of whoever gave it.
    text: str | None = Field(default=None, exclude_if=absent)
    #: Who gave it.
    by: Answerer | None = Field(default=None, exclude_if=absent)
