"""The environment of this process, and what is read from it before there are settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

#: Where `perdure dev` stores everything by default.
DEFAULT_DATA_DIR: Final = Path(".perdure")


def environment() -> Mapping[str, str]:
    """A read-only copy of the environment: for `${NAME}` in definitions, vendors' keys and child processes."""
    return MappingProxyType(dict(os.environ))
