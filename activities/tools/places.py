"""Where a worker runs its tools, so that none of them blocks a stream, a heartbeat or the gateway."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from temporalio import activity

from perdure.activities.tools.loops import ToolLoops
from perdure.activities.tools.processes import ToolProcesses
from perdure.activities.tools.watchdog import Running, Watchdog
from perdure.workflows.vocabulary.parts import Blocked


class ToolPlaces:
    """Made once per process. Nothing is started before a tool is called."""

    def __init__(
        self,
        sources: Sequence[str],
        processes: int,
        *,
        held_up: Callable[[str, float], None] = lambda name, seconds: None,
        found: Callable[[Blocked], None] = lambda blocked: None,
    ) -> None:
        """`sources` are the modules and files of tools, which at most `processes` processes load, too.

        `held_up(name, seconds)` is called for each time that a tool held others up, on any thread; `found` within a call
        that did so, when it has ended.
        """
        self.watch = Watchdog(held_up)
        self.loops = ToolLoops(self.watch)
        self.processes = ToolProcesses(sources, processes)
        self.found = found

    @contextmanager
    def watched(self, name: str, source: str) -> Iterator[Running]:
        """The call that runs here, of the tool `name`, which is defined at `source`. What it held up is told when it has
        ended."""
        info = activity.info()
        running = Running(name, source, info.workflow_id or "", info.activity_id)
        try:
            yield running
        finally:
            if running.blocked is not None:
                self.found(running.blocked)

    @contextmanager
    def watched_in_thread(self, name: str, source: str) -> Iterator[Running]:
        """Such a call, in the thread that runs."""
        with self.watched(name, source) as running, self.watch.in_thread(running):
            yield running

    async def aclose(self) -> None:
        """Ends them, with what still runs there."""
        await asyncio.to_thread(self.processes.close)
        await self.loops.aclose()
