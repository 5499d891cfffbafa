"""Ends the embedded Temporal servers that a killed `perdure dev` left behind on the same database.

They are found by what they run, not by a file that says so: a file can be missing, stale or point at another process.
The caller holds the data directory's lock, so a server on its database is nobody's any more.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import psutil

_POLITE_S = 5.0
_KILLED_S = 5.0


async def end_leftovers(database: Path) -> tuple[int, ...]:
    """Ends every `temporal server start-dev` on `database`, and returns their process ids once they are gone."""
    found = await asyncio.to_thread(_servers_on, database)
    for process in found:
        _signal(process, kill=False)
    if not await _gone(found, _POLITE_S):
        for process in found:
            _signal(process, kill=True)
        if not await _gone(found, _KILLED_S):
            ids = ", ".join(str(process.pid) for process in found if _alive(process))
            raise RuntimeError(f"a Temporal server on {database} cannot be ended (process {ids}); end it by hand")
    return tuple(process.pid for process in found)


def _servers_on(database: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if "start-dev" in (command := process.cmdline()) and _database_of(process, command) == database:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _database_of(process: psutil.Process, command: Sequence[str]) -> Path | None:
    for flag, value in pairwise(command):
        if flag in ("-f", "--db-filename"):
            # Started by hand, it may have been given a path relative to where it was started.
            return (Path(process.cwd()) / value).resolve()
    return None


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        pass


async def _gone(processes: Sequence[psutil.Process], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(_alive, processes)):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _alive(process: psutil.Process) -> bool:
    # In a container without an init process, a dead orphan stays a zombie for ever.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
