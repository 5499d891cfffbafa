"""Secrets that a deployment mounts as files: `NAME_FILE=/run/secrets/name` in place of `NAME=…`.

A variable is seen by whoever may inspect a container, a file only by whom it is mounted for. This covers our own secrets,
keys of model providers and of object stores, and whatever secrets a definition names.

Rule: a message names variables and files, never what stands in them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perdure.temporal.user_error import UserError

_SUFFIX: Final = "_FILE"
_SECRET: Final = re.compile(
    r"PERDURE_LIVE|AWS_ACCESS_KEY_ID|\w+_(API_KEY|ACCESS_KEY|ACCOUNT_KEY|TOKEN|SECRET|PASSWORD)"
)
#: The clouds' own clients read these files themselves, and again each time that they change.
_OF_OTHERS: Final = frozenset({"AWS_WEB_IDENTITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AZURE_FEDERATED_TOKEN"})


class SecretFileInvalid(UserError):
    """A file that is to hold a secret cannot be used; the message names the variable and the file."""


def secrets_of_files(variables: Mapping[str, str]) -> dict[str, str]:
    """What the files that `variables` name by `…_FILE` hold, by the variable that each stands for.

    White space around a secret does not count. An empty file counts as a variable that is not set, so that a deployment can
    mount a key that it does not have yet. Raises `SecretFileInvalid`.
    """
    found: dict[str, str] = {}
    for variable, file in variables.items():
        name = variable.removesuffix(_SUFFIX)
        if name == variable or not file or name in _OF_OTHERS or not _SECRET.fullmatch(name):
            continue
        secret = _read(variable, Path(file))
        given = variables.get(name)
        # A process that one of ours has started has both, and both say the same.
        if given and given != secret:
            raise SecretFileInvalid(f"{name} and {variable} are both set: leave one of them out")
        if secret:
            found[name] = secret
    return found


def _read(variable: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SecretFileInvalid(f"{variable}: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileInvalid(f"{variable}: {file} is no text") from None
