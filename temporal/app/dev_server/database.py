"""The file of the embedded server: whether it can be used, and that nothing deleted stays in it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from perdure.temporal.user_error import UserError

_MAGIC: Final = b"SQLite format 3\0"
_BUSY_S: Final = 5.0


class DatabaseBroken(UserError):
    """The database cannot be used; the message says which file it is, what can be saved and what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the database of the embedded Temporal server is broken: {path} {why}. The histories of its sessions "
            f"cannot be read from it; files and long texts are still in {path.parent / 'blobs'}. Put a copy of "
            f"{path.name} from a backup in its place, or move {path.name}, {path.name}-wal and {path.name}-shm away "
            "and start again without its sessions"
        )


def check_database(path: Path) -> None:
    """Raises `DatabaseBroken` where the file is there and is no whole database. Nothing else may have it open."""
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(100)
        size = file.seek(0, 2)
    if not size:
        raise DatabaseBroken(path, "is empty")
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise DatabaseBroken(path, "is no SQLite database")
    page = int.from_bytes(head[16:18], "big")
    wanted = int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
    log = path.with_name(f"{path.name}-wal")
    if size < wanted and (not log.exists() or not log.stat().st_size):
        raise DatabaseBroken(path, f"has {size} of {wanted} bytes")
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_S)) as database:
            tables = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
            # A log may hold what the file lacks.
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0] if size < wanted else "ok"
    except sqlite3.DatabaseError as error:
        raise DatabaseBroken(path, f"cannot be read ({error})") from error
    if found != "ok" or not tables:
        raise DatabaseBroken(path, "has no tables" if found == "ok" else "has damaged pages")


async def truncate_log(path: Path) -> None:
    """Moves the write-ahead log into the database and empties it, while a server goes on using both."""
    await asyncio.to_thread(_truncate, path)


def _truncate(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
