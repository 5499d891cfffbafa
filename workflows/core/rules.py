"""Which rules a run follows where the code has changed what it decides, so that runs that began before still replay.

A run chooses its rules once, when it begins, and keeps them until it continues as new. Pure code asks `state.rules`;
nothing else asks `workflow.patched`.
"""

from typing import Final

from temporalio import workflow

#: 1: as first recorded. 2: calls run as validated and only when whole; status is told when a turn lasts.
CURRENT: Final = 2


def choose() -> int:
    """The rules of the run that begins here. Ask first thing in `__init__`: a patch asked later may be replayed at another
    place than it was recorded."""
    return 2 if workflow.patched("rules-2") else 1
