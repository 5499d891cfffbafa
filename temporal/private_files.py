"""What sessions leave on a disk is their owner's alone: all that was said lies there in the clear.

A folder that only its owner may enter hides what is below it, whatever the rights of that.
"""

import os
from pathlib import Path
from typing import Final

_OTHERS: Final = 0o077


def keep_to_owner() -> None:
    """From here on, no file that this process or a child of it makes can be read by other users."""
    os.umask(os.umask(_OTHERS) | _OTHERS)


def write_private(path: Path, text: str) -> None:
    """Writes a file for its owner alone. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.fchmod(file, 0o600)
    with open(file, "w", encoding="utf-8") as writer:
        writer.write(text)


def tighten_data(data_dir: Path) -> None:
    """Makes a data directory, or takes others' rights from what an earlier version left in one. Raises OSError.

    A directory that was there before may hold things of other people's, so only what is known to be ours is changed.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = ("lock", "identity.json", "schedules.json", "temporal.db", "temporal.db-wal", "temporal.db-shm", "blobs")
    for path in (*(data_dir / name for name in ours), *data_dir.glob("temporal.log*")):
        if path.exists():
            _tighten(path)


def _tighten(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS and path.stat().st_uid == os.getuid():
        path.chmod(mode & ~_OTHERS)
