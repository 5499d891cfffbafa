"""Which messages stay word for word: the user's first one, and those of the turn that runs. Pure."""

from typing import Final

from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN
from perdure.workflows.core.state.context import Said
from perdure.workflows.core.state.session import SessionState

#: Of what a request may fill, the share of all of them together.
_SHARE: Final = 4


def pinned_before(state: SessionState, position: int) -> tuple[Said, ...]:
    """Those that would be summarised by a cut at `position`, the oldest first."""
    context = state.context
    asked = context.asked if state.turn is not None else ()
    every = (context.task, *asked) if context.task is not None else asked
    found = {one.position: one for one in every if one.position < position}
    return tuple(found[at] for at in sorted(found))


def bytes_each(pinned: int, usable: int) -> int:
    """Bytes that each of so many may have in a request of `usable` tokens."""
    return usable * BYTES_PER_TOKEN // _SHARE // max(pinned, 1)
