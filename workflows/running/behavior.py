"""Which behavior a run of a session has: what sessions do by themselves changes from version to version."""

from typing import Final

from temporalio import workflow

from perdure.workflows.core.context.index import indexed
from perdure.workflows.core.runs import lifted
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.signals import BEHAVIOR

#: By behavior, the newest first: the patch since which a session that an older version began has it, from its next run on.
BEHAVES: Final = {3: "behavior-3", 2: "behavior-2", 1: "behavior-1"}


def as_now(state: SessionState) -> SessionState:
    """A state that an older version may have carried, with the behavior of this one. Called once, as the run begins."""
    # Versions that did not summarise kept no sizes.
    state = indexed(state)
    if state.behavior >= BEHAVIOR:
        return lifted(state, state.behavior)
    newest = next((one for one, patch in BEHAVES.items() if one > state.behavior and workflow.patched(patch)), None)
    return lifted(state, newest) if newest is not None else state
