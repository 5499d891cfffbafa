"""Replays histories in a pool of separate processes.

Rule 1: a history's verdict never depends on other histories. A process that crashes or hangs on a history is replaced,
and only that history gets a bad verdict.
Rule 2: processes run `perdure.temporal.app.replay.process`, spawned and not forked, because the SDK's threads do not
survive a fork. They inherit this process's module path, and so run the same code.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.replay.verdicts import Outcome, Recorded, Setup
from perdure.temporal.settings import environment

#: Requests in flight per process, so that it reads the next history while it replays the current one.
_AHEAD: Final = 2
_START_S: Final = 60.0
#: Replaying 50,000 events, the most that a history can have, takes a fraction of this.
_REPLAY_S: Final = 120.0


async def replay_all(
    recorded: Iterable[Recorded],
    setup: Setup,
    processes: int,
    done: Callable[[Recorded, Outcome], None],
    *,
    patience_s: float = _REPLAY_S,
) -> None:
    """Replays `recorded`, in roughly this order, and calls `done` once for each.

    `patience_s` limits the time for one history. Raises `Refused` if a process cannot start.
    """
    queue = deque(recorded)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(processes, len(queue))):
                group.create_task(_run_process(queue, setup, done, patience_s))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _run_process(
    queue: deque[Recorded], setup: Setup, done: Callable[[Recorded, Outcome], None], patience_s: float
) -> None:
    while queue:
        process = await _start(setup)
        asked: deque[Recorded] = deque()
        try:
            await _converse(process, queue, asked, done, patience_s)
        except _Ended as ended:
            if asked:
                done(asked.popleft(), Outcome(verdict="lost", reason=str(ended)))
        finally:
            # Another process takes the requests that this one had not begun.
            queue.extendleft(reversed(asked))
            await _end(process)


async def _converse(
    process: asyncio.subprocess.Process,
    queue: deque[Recorded],
    asked: deque[Recorded],
    done: Callable[[Recorded, Outcome], None],
    patience_s: float,
) -> None:
    assert process.stdin is not None
    while queue or asked:
        while queue and len(asked) < _AHEAD:
            asked.append(queue.popleft())
            process.stdin.write(asked[-1].model_dump_json().encode() + b"\n")
        outcome = Outcome.model_validate_json(await _line(process, patience_s))
        done(asked.popleft(), outcome)


async def _start(setup: Setup) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Otherwise a folder in the working directory with the name of one of our packages would shadow it.
        "-P",
        "-m",
        "perdure.temporal.app.replay.process",
        setup.model_dump_json(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**environment(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        # Ctrl-C goes only to this process, which then ends the others.
        start_new_session=True,
    )
    try:
        await _line(process, _START_S)
    except _Ended as ended:
        await _end(process)
        raise Refused(f"nothing can be replayed: {ended} at its start") from None
    except BaseException:
        await _end(process)
        raise
    return process


class _Ended(Exception):
    """A replay process no longer responds; the message says how it ended."""


async def _line(process: asyncio.subprocess.Process, within_s: float) -> bytes:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(within_s):
            line = await process.stdout.readline()
    except TimeoutError:
        raise _Ended(f"the replay process gave no answer within {within_s:g} s") from None
    if not line:
        raise _Ended(f"the replay process ended with code {await process.wait()}")
    return line


async def _end(process: asyncio.subprocess.Process) -> None:
    # SIGKILL loses nothing: every answer has been read, and the process writes nothing else.
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
