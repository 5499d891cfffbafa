"""`perdure chat` as people run it: in a terminal, or with pipes in its place."""

import asyncio
import codecs
import os
import pty
import sys
from pathlib import Path
from typing import Final

from tests.support.session_client import PATIENCE_S

_PROGRAM: Final = Path(sys.executable).parent / "perdure"


class PipedChat:
    """`perdure chat` in a process of its own, with pipes for a terminal."""

    def __init__(self, folder: Path, url: str | None, *arguments: str) -> None:
        self._folder = folder
        self._arguments = ["chat", *arguments, *(["--url", url] if url else [])]
        self.output = ""
        self._seen = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    async def __aenter__(self) -> "PipedChat":
        self.process = await asyncio.create_subprocess_exec(
            _PROGRAM,
            *self._arguments,
            cwd=self._folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    async def until(self, words: str) -> None:
        """Returns once the output contains `words` after the text of the previous wait."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while (found := self.output.find(words, self._seen)) < 0:
                got = await self.process.stdout.read(4096)
                assert got, f"it ended without {words!r}: {self.output}"
                self.output += self._decoder.decode(got)
        self._seen = found + len(words)

    async def end(self) -> int:
        """Closes its input and reads to the end; returns the exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            self.output += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    @property
    def session(self) -> str:
        return self.output.partition("session ")[2].split()[0]


class TerminalChat:
    """`perdure chat` in a terminal of its own."""

    def __init__(self, folder: Path, url: str, *arguments: str) -> None:
        self._folder = folder
        self._arguments = ["chat", *arguments, "--url", url]
        self.output = ""
        self._seen = 0

    async def __aenter__(self) -> "TerminalChat":
        self._end, theirs = pty.openpty()
        os.set_blocking(self._end, False)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "50"}
        self.process = await asyncio.create_subprocess_exec(
            _PROGRAM, *self._arguments, cwd=self._folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        os.close(self._end)

    @property
    def session(self) -> str:
        return self.output.partition("session ")[2].partition("\x1b")[0]

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    async def until(self, words: str) -> None:
        """Returns once the screen was sent `words` after those of the previous wait."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            while (found := self.output.find(words, self._seen)) < 0:
                there = asyncio.Event()
                loop.add_reader(self._end, there.set)
                try:
                    await there.wait()
                except asyncio.CancelledError:
                    raise AssertionError(f"{words!r} did not come: {self.output!r}") from None
                finally:
                    loop.remove_reader(self._end)
                self.output += os.read(self._end, 65536).decode(errors="replace")
        self._seen = found + len(words)
