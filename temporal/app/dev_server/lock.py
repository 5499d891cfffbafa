"""One `perdure dev` to a data directory.

The lock is the kernel's: it goes with the process, however that ends, and the embedded server does not inherit it.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from perdure.temporal.stores.private import FILE, make_folder
from perdure.temporal.user_error import UserError


class AlreadyRunning(UserError):
    """Another `perdure dev` holds the data directory."""


class DirectoryLock:
    """A context manager; entering raises `AlreadyRunning` at once where another process is inside."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._file: int | None = None

    def __enter__(self) -> Self:
        make_folder(self._path.parent)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode(errors="replace").strip()
            os.close(file)
            raise AlreadyRunning(
                f"another perdure dev{f' (process {holder})' if holder else ''} runs on {self._path.parent}; "
                "stop it, or give this one another --data-dir"
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
