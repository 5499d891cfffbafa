"""The MCP servers that are processes of this worker, each kept for the calls that need the very same one.

Rule 1: a program is kept by its command and its environment as they were filled in, so the one that was started for a user
never serves another.
Rule 2: of those that were started for somebody, only the last few without a call are kept. The others, which are the same
for everybody, stay.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from perdure.activities.mcp.errors import McpUnavailable
from perdure.activities.mcp.kept_program import Program

#: Seconds that the end of a worker waits for its programs.
_ENDED_S: Final = 10.0
#: Programs without a call that are kept, of all those that were started for somebody.
MOST_IDLE: Final = 8


@dataclass
class _Kept:
    program: Program
    #: It is the same for everybody.
    shared: bool
    #: Calls that use it.
    calls: int = 0


class Programs:
    def __init__(self) -> None:
        #: By a hash of command and environment, the one that was used last at the end.
        self._kept: dict[str, _Kept] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self, command: tuple[str, ...], env: dict[str, str], *, kept: bool) -> AsyncIterator[Program]:
        """A program that answers, for as long as the block runs. `kept`: it is the same for everybody.

        Raises `McpUnavailable` where it does not start."""
        key = hashlib.sha256(json.dumps([command, sorted(env.items())]).encode()).hexdigest()
        held = await self._usable(key)
        if held is None:
            held = self._kept[key] = _Kept(Program(command, env), kept)
        held.calls += 1
        try:
            try:
                await held.program.ready()
            except McpUnavailable:
                if self._kept.get(key) is held:
                    self._end(key)
                raise
            yield held.program
        finally:
            held.calls -= 1
            self._tidy(key, held)

    async def aclose(self) -> None:
        for key in list(self._kept):
            self._end(key)
        if self._ending:
            await asyncio.wait(self._ending, timeout=_ENDED_S)

    async def _usable(self, key: str) -> _Kept | None:
        held = self._kept.get(key)
        if held is None:
            return None
        program = held.program
        broken = program.ended.is_set() or (program.suspect and not await program.answers())
        if broken and self._kept.get(key) is held:
            self._end(key)
        # Another call may have started one in the meantime.
        return self._kept.get(key)

    def _tidy(self, key: str, held: _Kept) -> None:
        """Ends the programs that have been without a call for longest, where they are too many."""
        if self._kept.get(key) is held:
            self._kept[key] = self._kept.pop(key)
        idle = [other for other, one in self._kept.items() if not one.shared and not one.calls]
        for other in idle[: max(len(idle) - MOST_IDLE, 0)]:
            self._end(other)

    def _end(self, key: str) -> None:
        task = self._kept.pop(key).program.end()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
