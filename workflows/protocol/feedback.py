"""What can be asked of a session about the feedback on its turns."""

from perdure.workflows.vocabulary.parts import Frozen


class TurnScore(Frozen):
    """The latest feedback on a turn; what was said with it is in its event."""

    turn_id: str
    #: The scale is the caller's. The pages give 1 and -1.
    score: float


class FeedbackState(Frozen):
    """Answer to `feedback(turn_id)`."""

    #: The session has begun such a turn.
    known: bool
    seq: int
    #: Closed, or told to close.
    closed: bool
    #: Of the latest feedback on it, where the session still keeps that in mind; 0 where there is none.
    score: float = 0
    #: sha256 of its text; empty where it has none.
    text_sha256: str = ""
