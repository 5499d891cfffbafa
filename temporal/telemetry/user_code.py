"""Which files are a user's own code, for logs and messages that point there."""

import sysconfig
from pathlib import Path
from typing import Final

_OURS: Final = Path(__file__).parent.parent.parent
#: The standard library, what is installed, and Perdure's own packages.
_NOT_THEIRS: Final = tuple(
    f"{folder}/"
    for folder in (
        *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")),
        *(str(_OURS / package) for package in ("workflows", "activities", "gateway", "temporal")),
    )
)


def is_users(path: str) -> bool:
    """Whether the code of the file `path` is neither Python's nor a library's nor ours."""
    return not path.startswith(("<", *_NOT_THEIRS))
