"""Who this worker is to Temporal, and who the one before it was.

An identity holds a random part: process ids come again, also on other machines, and what is said of a dead worker must
never fall on a living one.
"""

import hashlib
import json
import os
import secrets
import socket
from pathlib import Path

from perdure.temporal.stores.private import write_text


def new_identity(data_dir: Path) -> tuple[str, str | None]:
    """Makes an identity for this process and keeps it in `data_dir`. Returns it and the one that was kept before.

    Call it once, by whoever holds the directory's lock: then the one before is dead.
    """
    path = data_dir / "identity.json"
    previous = _read(path)
    identity = f"{os.getpid()}@{socket.gethostname()}#{secrets.token_hex(8)}"
    temporary = path.with_suffix(".tmp")
    write_text(temporary, json.dumps({"identity": identity}))
    temporary.replace(path)
    return identity, previous


def lasting_id(data_dir: Path) -> str:
    """The same for every process on this machine that holds the lock of `data_dir`, one after the other."""
    return hashlib.sha256(f"{socket.gethostname()}:{data_dir.absolute()}".encode()).hexdigest()[:32]


def _read(path: Path) -> str | None:
    try:
        identity = json.loads(path.read_text())["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        # Without it, interrupted steps go on after their heartbeat time-out: later, but rightly.
        return None
    return identity if isinstance(identity, str) and identity else None
