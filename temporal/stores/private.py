"""Files and folders that only their owner can read, whatever the process's umask."""

import os
from pathlib import Path
from typing import Final

FOLDER: Final = 0o700
FILE: Final = 0o600


def make_folder(path: Path) -> None:
    """Creates `path` and its missing parents. Raises OSError."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(FOLDER, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """An opener for `open(…, opener=opener)`."""
    return os.open(path, flags, FILE)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8. Raises OSError."""
    with open(path, "w", encoding="utf-8", opener=opener) as file:
        os.fchmod(file.fileno(), FILE)
        file.write(text)


def tighten(path: Path) -> None:
    """Revokes others' access to `path` and everything below it. Skips links and paths that do not exist."""
    if path.is_symlink() or not path.exists():
        return
    if not path.is_dir():
        path.chmod(FILE)
        return
    path.chmod(FOLDER)
    for folder, folders, files in os.walk(path):
        for names, mode in ((folders, FOLDER), (files, FILE)):
            for name in names:
                below = Path(folder, name)
                if not below.is_symlink():
                    below.chmod(mode)
