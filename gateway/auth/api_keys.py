"""API keys: `pk_<tenant>_<id>_<secret>`. The id names a line of the key file, whose hash the whole key has to fit.

Rule 1: argon2id is slow on purpose, so a key that fitted is known by a keyed hash from then on, in memory. That counts only
while the file has the line with the same hash.
Rule 2: an id is no secret, so anybody may guess the rest of a key. A guess is known by some bits of another hash, at once,
and keeps nobody waiting. Where the file has no such bits, guesses wait for each other and for nothing else; beyond a number
of them, callers are told to come again.
Rule 3: requests with the same key share one check, so that a process that has just started knows its callers at once.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from perdure.gateway.auth.key_file import ApiKey, KeyFile, SigningKey
from perdure.gateway.auth.recognised import Recognised
from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.principal import Principal

PREFIX: Final = "pk_"

#: The least that OWASP's password storage cheat sheet takes for argon2id. A secret has 256 random bits, so that nobody
#: guesses it from its hash in any case.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_MARK_DIGITS: Final = 8
_LONGEST: Final = 400
#: Keys whose argon2id hash is computed at a time, and those that may wait for it.
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 64
#: Of them, those that name the same key: whoever guesses one key's secret shuts nobody out who has another.
_MOST_OF_A_KEY: Final = 4


@dataclass(frozen=True, slots=True)
class NewKey:
    #: Shown once, and kept nowhere.
    text: str
    kept: ApiKey


def new_key(
    tenant: str, user: str | None, scopes: tuple[str, ...], now: datetime, expires_at: datetime | None, note: str
) -> NewKey:
    key_id = secrets.token_hex(_ID_BYTES)
    text = f"{PREFIX}{tenant}_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    kept = ApiKey(
        id=key_id,
        tenant=tenant,
        user=user,
        scopes=scopes,
        hash=_HASHER.hash(text),
        mark=_mark(text),
        created_at=now,
        expires_at=expires_at,
        note=note,
    )
    return NewKey(text, kept)


def _now() -> datetime:
    return datetime.now(UTC)


class ApiKeys:
    def __init__(self, file: KeyFile, now: Callable[[], datetime] = _now) -> None:
        self._file = file
        self._now = now
        #: The argon2id hash that a key fitted.
        self._fitted: Recognised[str] = Recognised()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        #: The checks that are under way, by the key and the hash that it has to fit.
        self._checks: dict[tuple[str, str], asyncio.Task[bool]] = {}

    @property
    def signing(self) -> tuple[SigningKey, ...]:
        """What signs tokens of sessions."""
        return self._file.signing

    def kept(self, key_id: str) -> ApiKey | None:
        """What is kept of a key by its id; None where there is no such key, or it has expired."""
        found = self._file.keys.get(key_id)
        return None if found is None or (found.expires_at is not None and found.expires_at <= self._now()) else found

    async def principal(self, given: str) -> Principal | None:
        """Whose key this is; None where it is nobody's, has expired or was revoked. Raises Problem `too_many`."""
        kept = self.kept(id_of(given))
        if kept is None or (kept.mark and not hmac.compare_digest(kept.mark, _mark(given))):
            return None
        if self._fitted.get(given) != kept.hash:
            if not await self._fits(given, kept):
                return None
            self._fitted.put(given, kept.hash)
        return kept.principal

    async def _fits(self, given: str, kept: ApiKey) -> bool:
        pair = (given, kept.hash)
        check = self._checks.get(pair)
        if check is None:
            of_this = sum(id_of(other) == kept.id for other, _ in self._checks)
            if len(self._checks) >= _MOST_WAITING or of_this >= _MOST_OF_A_KEY:
                raise Problem("too_many", "Too many keys are being checked; send the request again.")
            check = self._checks[pair] = asyncio.create_task(self._check(*pair))
            check.add_done_callback(lambda _: self._checks.pop(pair))
        # A caller that leaves takes the check from nobody else.
        return await asyncio.shield(check)

    async def _check(self, given: str, hash: str) -> bool:  # noqa: A002
        async with self._slots:
            # argon2 computes without the interpreter's lock.
            return await asyncio.to_thread(_verified, hash, given)


def id_of(given: str) -> str:
    """The id that a key names; empty for what is no key."""
    if len(given) > _LONGEST or not given.startswith(PREFIX):
        return ""
    # A tenant's name may have the character, too.
    parts = given.removeprefix(PREFIX).rsplit("_", 2)
    return parts[1] if len(parts) == 3 else ""


def _mark(given: str) -> str:
    return hashlib.sha256(given.encode(errors="surrogatepass")).hexdigest()[:_MARK_DIGITS]


def _verified(hash: str, given: str) -> bool:  # noqa: A002
    try:
        return _HASHER.verify(hash, given)
    except (VerificationError, InvalidHashError):
        return False
