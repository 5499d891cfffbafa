"""Child processes of a run: a line announces that one is ready, and all are ended in any case.

Rule 1: nothing from the user's environment that could change a result reaches them: no settings, addresses or keys.
Rule 2: every process that was started is ended, gracefully at first, even if the block that needed it fails.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.settings import environment

#: Perdure's own command line, as users run it.
PERDURE = ("-c", "from perdure.temporal.app.cli import main; main()")
_FOREIGN = ("PERDURE_", "TEMPORAL_", "ANTHROPIC_", "OPENAI_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_START_S = 60.0
_STOP_S = 20.0


@asynccontextmanager
async def child(
    command: Sequence[str],
    more: Mapping[str, str],
    folder: Path,
    on_line: Callable[[bytes], None] = lambda line: None,
) -> AsyncIterator[psutil.Process]:
    """Runs `command` in `folder`; yields once it prints a line that begins with `ready`. Later lines go to `on_line`.

    Raises `BenchFailed` with the end of its standard error if it ends or prints nothing in time.
    """
    log = folder / "child.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=clean_environment(more),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdout is not None
    reading: asyncio.Task[None] | None = None
    try:
        if not await _ready(process.stdout):
            raise BenchFailed(f"{command[-1]} did not start:\n{log.read_bytes()[-2000:].decode(errors='replace')}")
        reading = asyncio.create_task(_read(process.stdout, on_line))
        yield psutil.Process(process.pid)
    finally:
        await _end(process)
        if reading is not None:
            reading.cancel()


async def _ready(output: asyncio.StreamReader) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while line := await output.readline():
                if line.startswith(b"ready"):
                    return True
    return False


async def _read(output: asyncio.StreamReader, on_line: Callable[[bytes], None]) -> None:
    while line := await output.readline():
        on_line(line)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without anything that could change a result, plus `more`."""
    kept = {name: value for name, value in environment().items() if not name.upper().startswith(_FOREIGN)}
    return {**kept, **more}


def free_port(among: range = range(20_000, 32_000)) -> int:
    """A free port of these, by default below the range for outgoing connections, which could take it before our server
    does."""
    while True:
        port = random.choice(among)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
