"""Which variables of the environment and which programs agent definitions may name.

A definition lists its variables itself (`secrets:`), so that each is seen where the definition is reviewed. Where who writes
definitions is not who runs them, `PERDURE_ALLOWED_SECRETS` and `PERDURE_ALLOWED_COMMANDS` bound what all of them may name:
names, or patterns with `*`, separated by commas. Perdure's own settings and Temporal's are never given to a definition.

The same is decided when a definition loads and again when it is used: what another process published may be more than this
one allows.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from perdure.temporal.definitions.references import names_in
from perdure.temporal.settings import Settings
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.tools import McpServer

_NEVER: Final = ("PERDURE_*", "TEMPORAL_*")


@dataclass(frozen=True, slots=True)
class Allowed:
    #: Names of variables, or patterns; None: any that a definition lists.
    secrets: tuple[str, ...] | None = None
    #: Programs, or patterns; one with a space is compared with the whole command line. None: any.
    commands: tuple[str, ...] | None = None

    @classmethod
    def load(cls) -> "Allowed":
        """As the settings say. Raises `SettingsInvalid`."""
        settings = Settings.load()
        return cls(settings.allowed_secrets, settings.allowed_commands)

    def secret_fault(self, name: str) -> str | None:
        """Why a definition may not name this variable; None: it may."""
        if any(fnmatchcase(name, pattern) for pattern in _NEVER):
            return f"{name} is a setting of Perdure or of Temporal, which no definition is given"
        if self.secrets is not None and not any(fnmatchcase(name, pattern) for pattern in self.secrets):
            return f"PERDURE_ALLOWED_SECRETS does not allow {name}"
        return None

    def command_fault(self, command: tuple[str, ...]) -> str | None:
        """Why a definition may not start this program; None: it may, or there is none."""
        if not command or self.commands is None:
            return None
        line = shlex.join(command)
        if any(fnmatchcase(line if " " in pattern else command[0], pattern) for pattern in self.commands):
            return None
        return f"PERDURE_ALLOWED_COMMANDS does not allow {command[0]!r}"

    def objection(self, part: ModelDefinition | McpServer, secrets: tuple[str, ...]) -> str | None:
        """Why this part of a definition that lists `secrets` may not be used here; None: it may."""
        for name in names_in(text for _, text in texts_of(part)):
            if name not in secrets:
                return f"its definition names ${{{name}}} and does not list it in secrets"
            if (why := self.secret_fault(name)) is not None:
                return why
        return self.command_fault(part.command) if isinstance(part, McpServer) else None


def texts_of(part: ModelDefinition | McpServer) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each text of a part in which `${NAME}` counts, and its place there."""
    if isinstance(part, ModelDefinition):
        for field in ("base_url", "api_key"):
            if (text := getattr(part, field)) is not None:
                yield (field,), text
        for field, values in (("headers", part.headers), ("query", part.query)):
            for name, text in values.items():
                yield (field, name), text
        return
    if part.url is not None:
        yield ("url",), part.url
    for index, word in enumerate(part.command):
        yield ("command", index), word
    for field, values in (("headers", part.headers), ("env", part.env)):
        for name, text in values.items():
            yield (field, name), text
