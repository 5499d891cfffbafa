"""The files of the local blob store: each is written beside its place, and put there once it is whole."""

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.temporal.stores.private import make_folder, opener

_HASHED: Final = re.compile(r"(?:x-)?([0-9a-f]{64})")


def sha256_in(key: str) -> str | None:
    """The sha256 that a key's name is; None where it is another name."""
    match = _HASHED.fullmatch(key.rpartition("/")[2])
    return match[1] if match else None


class Arriving:
    """A blob that is being written beside its place, and put there once it is whole. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        # No id contains "+", so no key can address a temporary file.
        self._temporary = path.with_name(f"{path.name}+{uuid.uuid4().hex}")
        self._file = open(self._temporary, "wb", opener=opener)  # noqa: SIM115 - closed by `keep` or `drop`

    def add(self, data: bytes) -> None:
        self._file.write(data)

    def keep(self) -> None:
        self._file.flush()
        # The event that references the blob is about to be committed elsewhere; the blob must survive a power failure as
        # well.
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._temporary, self._path)

    def drop(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink()


def write(path: Path, data: bytes) -> None:
    """Writes a blob. Raises `OSError`."""
    # A file of this size under a hash is this blob; another size is left over from a power failure.
    if sha256_in(path.name) is not None and path.exists() and path.stat().st_size == len(data):
        return
    arriving = Arriving(path)
    try:
        arriving.add(data)
        arriving.keep()
    except OSError:
        arriving.drop()
        raise


def keys_below(root: Path, folder: str) -> list[str]:
    """Keys of the blobs below `folder`. Raises `OSError`."""
    return [path.relative_to(root).as_posix() for path in _blobs(root / folder)]


def delete(folder: Path) -> int:
    """Deletes the blobs below `folder`, and returns how many there were. Raises `OSError` for what cannot be deleted."""
    if not folder.is_dir():
        return 0
    count = sum(1 for _ in _blobs(folder))
    shutil.rmtree(folder, onerror=lambda function, path, raised: _pass_if_gone(raised[1]))
    return count


def _blobs(folder: Path) -> Iterator[Path]:
    """The blobs below `folder`. Another process may delete the same folders meanwhile."""
    for path, _, names in os.walk(folder, onerror=_pass_if_gone):
        # What is being written has a name that is no key.
        yield from (Path(path, name) for name in names if "+" not in name)


def _pass_if_gone(error: BaseException) -> None:
    # A folder that is not empty got a blob while it was deleted; that blob came after the deletion.
    if not isinstance(error, FileNotFoundError) and not (isinstance(error, OSError) and error.errno == errno.ENOTEMPTY):
        raise error
