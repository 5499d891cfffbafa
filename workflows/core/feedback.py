"""Feedback on a turn that comes, and what is told of it. Pure.

Rule: it changes nothing of what the session does next. What was given already is not given again.
"""

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.state.feedback import text_mark
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.feedback import FeedbackState
from perdure.workflows.protocol.signals import GiveFeedback
from perdure.workflows.vocabulary.feedback import FeedbackGiven
from perdure.workflows.vocabulary.ids import turn_number


def take_feedback(draft: Draft, command: GiveFeedback) -> None:
    """Keeps it on its turn; nothing where the session has begun no such turn, or is closed."""
    state = draft.state
    if state.closed or not _has_begun(state, command.turn_id):
        return
    known = state.feedback.of(command.turn_id)
    if (known.score, known.text_sha256) == (command.score, text_mark(command.text)):
        return
    draft.add(
        FeedbackGiven(
            **(draft.stamp | {"turn_id": command.turn_id}),
            score=command.score,
            text=command.text,
            by=command.by,
        )
    )


def feedback_state(state: SessionState, turn_id: str) -> FeedbackState:
    """What counts for a turn now."""
    known = state.feedback.of(turn_id)
    return FeedbackState(
        known=_has_begun(state, turn_id),
        seq=state.log.seq,
        closed=state.closed or state.closing is not None,
        score=known.score,
        text_sha256=known.text_sha256,
    )


def _has_begun(state: SessionState, turn_id: str) -> bool:
    number = turn_number(turn_id)
    return number is not None and number <= state.turns
