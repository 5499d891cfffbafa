"""A later version of the session: it starts a timer at the beginning of each turn, which no recorded history contains.

`python other_build.py unguarded|patched COMMAND…` is `perdure COMMAND…` with that version. `patched` puts the change
behind `workflow.patched`; `unguarded` must never be deployed under running sessions without versioning.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from temporalio import workflow

from perdure.temporal.app import cli
from perdure.temporal.app.processes import assembly
from perdure.workflows.core.actions import Action, StartTurn
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.session import SessionWorkflow

PATCH = "pause-before-turns"


@workflow.defn(name="SessionWorkflow")
class Unguarded(SessionWorkflow):
    @workflow.run
    async def run(self, start: SessionInput) -> Any:
        return await super().run(start)

    async def _carry_out(self, action: Action) -> None:
        if isinstance(action, StartTurn):
            await self._pause()
        await super()._carry_out(action)

    async def _pause(self) -> None:
        await workflow.sleep(0.001)


@workflow.defn(name="SessionWorkflow")
class Patched(Unguarded):
    @workflow.init
    def __init__(self, start: SessionInput) -> None:
        # Must come first: if its first call follows a local activity, `patched` may return False on a replay although
        # it returned True before, because the activity's result is there a workflow task earlier than the patch's
        # marker.
        self._pauses = workflow.patched(PATCH)
        super().__init__(start)

    @workflow.run
    async def run(self, start: SessionInput) -> Any:
        return await super().run(start)

    async def _pause(self) -> None:
        if self._pauses:
            await super()._pause()


@contextmanager
def deployed(version: type[SessionWorkflow]) -> Iterator[None]:
    """Workers created inside run this version."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "SessionWorkflow", version)
        yield


if __name__ == "__main__":
    with deployed({"unguarded": Unguarded, "patched": Patched}[sys.argv.pop(1)]):
        cli.main()
