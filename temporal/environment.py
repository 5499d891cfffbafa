"""The environment of this process, and what is taken from it before there are settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

#: Where `perdure dev` keeps everything, unless it is told otherwise.
DEFAULT_DATA_DIR: Final = Path(".perdure")


def environment() -> Mapping[str, str]:
    """The environment as it is now, read-only: for `${NAME}` in definitions, vendors' keys, and child processes."""
    return MappingProxyType(dict(os.environ))
