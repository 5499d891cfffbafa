"""Recognises the files of a user's own code, for logs and messages that point to it."""

import sysconfig
from pathlib import Path
from typing import Final

_OURS: Final = Path(__file__).parent.parent.parent
#: The standard library, installed packages, and Perdure's own packages.
_NOT_THEIRS: Final = tuple(
    f"{folder}/"
    for folder in (
        *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")),
        *(str(_OURS / package) for package in ("workflows", "activities", "gateway", "temporal")),
    )
)


def is_users(path: str) -> bool:
    """Whether the file `path` belongs neither to Python, nor to an installed package, nor to Perdure."""
    return not path.startswith(("<", *_NOT_THEIRS))
