"""The addresses that `perdure dev` leaves in its data directory, so that other commands find it.

Rule 1: the file counts only while its writer lives. The writer holds a kernel lock on it, which ends with the process
in any case, so the file of a killed `dev` is never used.
Rule 2: the environment takes precedence: variables that name a Temporal server override the file.
Rule 3: nothing heavy is imported, because every command that reaches a session begins here.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from perdure.temporal.stores.private import FILE

#: Temporal's own variables that select a server and a namespace.
_TEMPORAL: Final = ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")
_FILE: Final = "addresses.json"
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class DevAddresses:
    """`gateway` and `web_ui` are URLs, `temporal` is `host:port`."""

    gateway: str
    temporal: str
    web_ui: str | None


@contextmanager
def published(data_dir: Path, addresses: DevAddresses) -> Iterator[None]:
    """Publishes `addresses` in `data_dir` while the block runs. Only the holder of the directory's lock may call it."""
    path = data_dir / _FILE
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE)
    try:
        # Readers hold the lock only for an instant.
        fcntl.flock(file, fcntl.LOCK_EX)
        os.ftruncate(file, 0)
        os.write(file, json.dumps(asdict(addresses)).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def find_dev(data_dir: Path) -> DevAddresses | None:
    """The addresses of the `dev` that runs on `data_dir`; None if none is running."""
    try:
        file = os.open(data_dir / _FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(os.read(file, _LONGEST))
    else:
        return None
    finally:
        os.close(file)


def temporal_is_named(environment: Mapping[str, str]) -> bool:
    """Whether the environment selects a Temporal server."""
    return any(environment.get(name) for name in _TEMPORAL)


def _read(data: bytes) -> DevAddresses | None:
    try:
        return DevAddresses(**json.loads(data))
    except (ValueError, TypeError):
        # The file is being written, or was written by another version.
        return None
