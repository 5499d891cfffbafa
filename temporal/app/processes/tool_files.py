"""Notices that files of tools changed after they were loaded, and says so. Nothing is loaded again.

Why not: a tool may act exactly once, and what guards that lives in its module: a connection, a lock, a list of what was
charged. After a reload, a call that still runs would hold the old module's guards while the next call takes the new one's;
modules that the file imports would stay as they were, and a file that is saved half-way would run half-way. A restart of
`perdure dev` has none of this. It takes seconds, sessions go on where they were, and a `once` call that it interrupts is
reported as such and never run twice.

Processes of `process: true` that start after the change load the new file, which is one more reason to say so at once.
"""

import asyncio
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import structlog

from perdure.temporal.telemetry.user_code import is_users

Change = Literal["changed", "gone", "as_loaded"]

_ADVICE: Final = "restart perdure dev to load it; sessions go on where they are"
_Stamp = tuple[int, int] | None


class ToolFiles:
    """Files that this process has loaded, as they are when this is made."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._loaded = {file: _content(file) for file in files}
        self._seen = dict(self._loaded)
        self._stamps: dict[Path, _Stamp] = {file: _stamp(file) for file in self._loaded}

    @classmethod
    def of_user(cls) -> "ToolFiles":
        """Every loaded module that is a user's own: the tools, and what they import."""
        paths = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        return cls(Path(path) for path in sorted(filter(None, paths)) if is_users(path))

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(self._loaded)

    def changes(self) -> list[tuple[Path, Change]]:
        """What became of files since the last call; `as_loaded`: a change was taken back."""
        found: list[tuple[Path, Change]] = []
        for file, before in list(self._stamps.items()):
            stamp = _stamp(file)
            if stamp == before:
                continue
            self._stamps[file] = stamp
            content = _content(file)
            # Saved again with the same text, it is no other file.
            if content != self._seen[file]:
                self._seen[file] = content
                changed: Change = "changed" if content is not None else "gone"
                found.append((file, "as_loaded" if content == self._loaded[file] else changed))
        return found

    async def watch(self, interval_s: float) -> None:
        """Looks every `interval_s` seconds until it is cancelled, and logs what changed."""
        log = structlog.get_logger(__name__)
        while True:
            await asyncio.sleep(interval_s)
            for file, change in await asyncio.to_thread(self.changes):
                if change == "as_loaded":
                    log.info("tools.as_loaded", file=str(file))
                else:
                    log.warning(f"tools.{change}", file=str(file), advice=_ADVICE)


def _content(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


def _stamp(file: Path) -> _Stamp:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
