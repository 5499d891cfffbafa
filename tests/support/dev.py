"""Runs `perdure dev` and other commands as users run them."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.support.ports import free_ports


class Command:
    """`perdure` as users run it: a process of its own that can be killed and restarted."""

    def __init__(
        self, folder: Path, environment: dict[str, str], arguments: Sequence[str], program: Sequence[Path | str] = ()
    ) -> None:
        """`folder`: the working directory. `environment` is added to ours; `program` is `perdure` by default."""
        self._folder = folder
        self._program = program or [Path(sys.executable).parent / "perdure"]
        self.environment = environment
        self._environment = {**os.environ, **environment}
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self.output: list[str] = []
        self._news = asyncio.Event()

    async def start(self, within_s: float = 60) -> None:
        """Returns once it has reported that it is ready."""
        self._process = await asyncio.create_subprocess_exec(
            *self._program,
            *self._arguments,
            cwd=self._folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            async for line in self._process.stdout:
                self.output.append(line.decode().rstrip())
                if line.startswith(b"ready "):
                    break
            else:
                raise AssertionError(f"perdure {self._arguments[0]} did not start:\n" + "\n".join(self.output))
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output.append(line.decode().rstrip())
            self._news.set()

    async def said(self, words: str) -> str:
        """The first line that contains `words`, once it is written."""
        async with asyncio.timeout(60):
            while not (found := [line for line in self.output if words in line]):
                self._news.clear()
                await self._news.wait()
        return found[0]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the main process only."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self, *, group: bool = False) -> None:
        """Sends SIGKILL to the main process only, or to its process group and the Temporal server as well."""
        assert self._process is not None
        if group:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                child.kill()
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def stop(self) -> int:
        """Sends SIGTERM; returns the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        return await self.ended()

    async def ended(self, within_s: float = 60) -> int:
        """The exit code, once it ends by itself."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            code = await self._process.wait()
        await self._reading
        return code


class Dev(Command):
    """`perdure dev`; a restart uses the same data."""

    def __init__(self, data_dir: Path, environment: dict[str, str], arguments: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        self.port, self.temporal_port, self.ui_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        ports = {"--port": self.port, "--temporal-port": self.temporal_port, "--ui-port": self.ui_port}
        named = [str(word) for pair in ports.items() for word in pair]
        super().__init__(data_dir, environment, ["dev", *named, "--data-dir", str(data_dir), *arguments])
