"""Where a conversation is cut into the part that is summarised and the part that stays word for word. Pure.

Rule: a call and its result are never parted, and what the model has not answered yet is never summarised.
"""

from perdure.workflows.core.context.estimate import ratio_of
from perdure.workflows.core.state.context import Context, Mark
from perdure.workflows.core.state.session import SessionState


def last_cut(state: SessionState) -> int:
    """The last position at which the conversation may be cut."""
    context = state.context
    asked = context.asked[0].position if context.asked else context.count
    # In a long turn, everything before its last answer; its user's message stays word for word anyway.
    return context.answer if state.turn is not None and context.answer > asked else asked


def cuts(state: SessionState) -> list[Mark]:
    """The places where the conversation may be cut, the oldest first."""
    start, last = state.context.start, last_cut(state)
    return [mark for mark in state.context.marks if start < mark.position <= last]


def best_cut(state: SessionState, recent: int, scale: float) -> Mark | None:
    """The cut after which at most `recent` tokens stay, or as few as possible; None if nothing can be summarised. `scale`
    converts tokens as estimated from bytes into those that the server counts."""
    found = cuts(state)
    left = recent / scale
    return next((mark for mark in found if state.context.tokens - mark.tokens <= left), found[-1] if found else None)


def within(state: SessionState, until: Mark, most: int) -> Mark:
    """The last cut up to `until` before which at most `most` tokens are to be summarised, or else the first one; `until`
    itself where no cut before it is kept any more."""
    start = start_of(state.context)
    found = [mark for mark in cuts(state) if mark.position <= until.position]
    fitting = [mark for mark in found if (mark.tokens - start.tokens) * ratio_of(state.context.measured) <= most]
    # Marks are thinned out while a summary is being written, and the one that it began with may be gone.
    return fitting[-1] if fitting else found[0] if found else until


def start_of(context: Context) -> Mark:
    """Where the part begins that requests show."""
    return context.fold.until if context.fold is not None else Mark(position=0, tokens=0, size=0, seq=0)
