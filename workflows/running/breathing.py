"""Long handlers give way now and then, so that no workflow task takes so long that Temporal takes it for stuck.

Rule: it depends on what was done, and never on a clock, so a replay gives way at the same places.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow

from perdure.workflows.core.state.session import SessionState

#: Instructions of a handler that are carried out in one workflow task: some tenths of a second.
SLICE: Final = 4_000


async def breathe(before: SessionState, after: SessionState) -> None:
    """Waits for a moment where the handler of the turn has gone on for long enough between these two states."""
    if _slices(after) > _slices(before):
        await workflow.sleep(timedelta(milliseconds=1), summary="a long handler gives way")


def _slices(state: SessionState) -> int:
    run = state.turn.run if state.turn is not None else None
    return 0 if run is None else run.count // SLICE
