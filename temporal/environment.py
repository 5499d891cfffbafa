"""The environment of this process, and what is read from it before there are settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from perdure.temporal.secret_files import secrets_of_files

#: Where `perdure dev` stores everything by default.
DEFAULT_DATA_DIR: Final = Path(".perdure")


def environment() -> Mapping[str, str]:
    """A read-only copy of the environment: for `${NAME}` in definitions, vendors' keys and child processes."""
    return MappingProxyType(dict(os.environ))


def load_secret_files() -> None:
    """Sets the variables whose secrets stand in files that `…_FILE` names. A command calls it before it reads anything.

    Raises `SecretFileInvalid`.
    """
    os.environ.update(secrets_of_files(os.environ))
