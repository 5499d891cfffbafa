"""The file of API keys: made by `perdure keys`, read by every gateway that it is mounted into.

Rule 1: an API key itself stands in no file. What is kept of it is an argon2id hash, and too few bits of another to find
it by. What signs tokens of sessions has to
stand here, so that all gateways of the file take each other's.
Rule 2: a file is replaced as a whole, and only its owner can read it.
Rule 3: a gateway looks once a second whether the file is another one. It keeps what it read last where it cannot read it now.
"""

import base64
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Self

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, StringConstraints, ValidationError

from perdure.temporal.sessions.principal import Principal
from perdure.temporal.stores.private import FILE, make_folder, opener
from perdure.temporal.user_error import UserError
from perdure.workflows.vocabulary.parts import Frozen

log = structlog.get_logger(__name__)

_LOOK_S: Final = 1.0


class KeyFileInvalid(UserError):
    """The file of keys cannot be read."""


class ApiKey(Frozen):
    """What is kept of a key."""

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    tenant: str
    #: None: it speaks for no user.
    user: str | None = None
    scopes: tuple[str, ...]
    #: argon2id, of the whole key.
    hash: str
    #: The first bits of the key's SHA-256, in hexadecimal digits, by which a guess is known without argon2id; empty where
    #: the file was written without. That leaves 224 of the secret's 256 bits.
    mark: Annotated[str, Field(pattern=r"^([0-9a-f]{8})?$", exclude_if=lambda mark: not mark)] = ""
    created_at: datetime
    #: None: when it is revoked.
    expires_at: datetime | None = None
    note: str = ""

    @property
    def principal(self) -> Principal:
        return self.principal_until(None)

    def principal_until(self, ends: float | None) -> Principal:
        """Whom the key speaks for, until the key expires, or before that at `ends`, in seconds since 1970."""
        own = None if self.expires_at is None else self.expires_at.timestamp()
        over = [at for at in (ends, own) if at is not None]
        return Principal(
            self.tenant,
            self.user,
            self.scopes,
            actor=f"key:{self.id}",
            method="key",
            expires_at=min(over, default=None),
        )


class SigningKey(Frozen):
    """What signs tokens of sessions: an Ed25519 key."""

    id: str
    #: Its 32 bytes, in Base64.
    seed: str = Field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(id=secrets.token_hex(4), seed=base64.b64encode(secrets.token_bytes(32)).decode())

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(self.seed))


class Keys(Frozen):
    """What the file holds, as JSON."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    keys: tuple[ApiKey, ...] = ()
    #: The first one signs; the others were first before, and their tokens still count.
    signing: Annotated[tuple[SigningKey, ...], Field(min_length=1)] = Field(default_factory=lambda: (SigningKey.new(),))


def read_keys(path: Path) -> Keys:
    """Raises `KeyFileInvalid`."""
    try:
        return Keys.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise KeyFileInvalid(
            f"there is no file of keys at {path}; perdure keys create --file {path} makes one"
        ) from None
    except OSError as error:
        raise KeyFileInvalid(f"the file of keys {path} cannot be read: {error.strerror}") from None
    except ValidationError:
        # Without pydantic's words, which quote what stands there.
        raise KeyFileInvalid(f"{path} is no file of keys that this version reads") from None


@contextmanager
def changed_keys(path: Path) -> Iterator[Callable[[Keys], None]]:
    """Nobody else changes the file meanwhile; calling what this yields replaces it. Raises `KeyFileInvalid`."""
    try:
        make_folder(path.absolute().parent)
        with open(path.with_name(f"{path.name}.lock"), "w", opener=opener) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lambda keys: _replace(path, keys)
    except OSError as error:
        raise KeyFileInvalid(f"the file of keys {path} cannot be written: {error.strerror}") from None


def _replace(path: Path, keys: Keys) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(new, "x", encoding="utf-8", opener=opener) as file:
            os.fchmod(file.fileno(), FILE)
            file.write(keys.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


class KeyFile:
    """The keys of a file as it is now. Raises `KeyFileInvalid` where it cannot be read at first."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._seen = _mark(path)
        self._read = read_keys(path)
        self._keys = _by_id(self._read)
        self._look_at = clock() + _LOOK_S

    @property
    def keys(self) -> Mapping[str, ApiKey]:
        """By id."""
        self._look()
        return self._keys

    @property
    def signing(self) -> tuple[SigningKey, ...]:
        """The first one signs."""
        self._look()
        return self._read.signing

    def _look(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        mark = _mark(self._path)
        if mark == self._seen:
            return
        self._seen = mark
        try:
            self._read = read_keys(self._path)
        except KeyFileInvalid as problem:
            log.error("keys.unreadable", problem=str(problem))
        else:
            self._keys = _by_id(self._read)
            log.info("keys.read", keys=len(self._keys))


def _by_id(keys: Keys) -> dict[str, ApiKey]:
    return {key.id: key for key in keys.keys}


def _mark(path: Path) -> tuple[int, ...] | None:
    """What tells one file of this name from another; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
