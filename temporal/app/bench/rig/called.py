"""The baseline for tool calls, on plain Temporal: a workflow that runs rounds of activities.

Rule: its activities are the tool functions themselves, on a worker with the settings of Perdure's, one round per
workflow task, as in a session.
"""

import asyncio
from datetime import timedelta
from typing import Final, Literal

from temporalio import workflow

from perdure.temporal.app.bench.rig.effects import nod, pause
from perdure.workflows.vocabulary.parts import Frozen

_LONG: Final = timedelta(minutes=5)


class Rounds(Frozen):
    tool: Literal["nod", "pause"]
    #: Seconds that each `pause` takes.
    seconds: float = 0
    rounds: int
    #: Activities per round.
    at_once: int = 1


@workflow.defn
class Called:
    @workflow.run
    async def run(self, wanted: Rounds) -> None:
        for _ in range(wanted.rounds):
            await asyncio.gather(*(self._call(wanted) for _ in range(wanted.at_once)))

    async def _call(self, wanted: Rounds) -> None:
        if wanted.tool == "nod":
            await workflow.execute_activity(nod, start_to_close_timeout=_LONG)
        else:
            await workflow.execute_activity(pause, wanted.seconds, start_to_close_timeout=_LONG)
