"""Tokens of sessions, for browsers: a backend makes one for its user, who reaches one session with it for some minutes.

Rule 1: a token is a JWT that every gateway with the same key file can check. It says which session, whose, and what.
Rule 2: a token that was revoked is named in the blob store, below its session, until that is erased. A gateway looks there
each few seconds; the one that revokes it knows at once.
Rule 3: a token counts as long as the API key that made it does.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import jwt
from jwt.exceptions import PyJWTError

from perdure.gateway.auth.key_file import SigningKey
from perdure.gateway.auth.reasons import Why, in_words, unsaid
from perdure.gateway.auth.recognised import Recognised
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import BROWSER
from perdure.temporal.stores.blobs import BlobMissing, BlobStore, StoreUnavailable

#: The header `typ`, which tells these tokens from those of an identity provider.
TYPE: Final = "perdure-session+jwt"
#: By which the clock of the gateway that made a token may be ahead, as for tokens of an identity provider.
LEEWAY_S: Final = 60
#: Longer than any token counts.
_REVOKED_S: Final = 3600.0
_ISSUER: Final = "perdure"
_ALGORITHM: Final = "EdDSA"
#: Seconds for which it is believed that a token has not been revoked.
_BELIEVED_S: Final = 5.0
_MOST_BELIEVED: Final = 10_000


#: Whether there is an API key of this id that has not expired.
KeyCounts = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Read:
    """What a token says that is signed by one of the keys that check."""

    principal: Principal
    token_id: str
    #: The id of the API key that made it; None: something else did.
    made_by: str | None
    signed_by: SigningKey


@dataclass(frozen=True, slots=True)
class Minted:
    text: str
    #: The id by which it is revoked.
    token_id: str
    #: In seconds since 1970.
    expires_at: int


class SessionTokens:
    def __init__(
        self,
        signing: Callable[[], Sequence[SigningKey]],
        blobs: BlobStore,
        key_counts: KeyCounts = lambda _: True,
    ) -> None:
        """The first of the keys signs, all of them check."""
        self._signing = signing
        self._key_counts = key_counts
        self._blobs = blobs
        self._recognised: Recognised[_Read] = Recognised()
        #: By what marks a token as revoked: whether it is, and until when that is believed.
        self._believed: OrderedDict[str, tuple[bool, float]] = OrderedDict()
        self._looks: dict[str, asyncio.Task[bool]] = {}

    def mint(
        self,
        by: Principal,
        session_id: str,
        owner: str | None,
        scopes: tuple[str, ...],
        ttl_s: int,
        first_run: str | None = None,
    ) -> Minted:
        """A token for a session of `owner`'s, made by a principal that may do in it what `scopes` say. `first_run` tells the
        session from those that have its id later."""
        key = self._signing()[0]
        now, token_id = int(time.time()), secrets.token_hex(16)
        claims = {
            "iss": _ISSUER,
            "aud": by.tenant,
            "sid": session_id,
            "scope": " ".join(scopes),
            "jti": token_id,
            "iat": now,
            "exp": now + ttl_s,
            "act": {"sub": by.subject},
            **({} if owner is None else {"sub": owner}),
            **({} if first_run is None else {"run": first_run}),
            **({} if by.key_id is None else {"key": by.key_id}),
        }
        text = jwt.encode(claims, key.private, _ALGORITHM, headers={"typ": TYPE, "kid": key.id})
        return Minted(text, token_id, now + ttl_s)

    async def principal(self, given: str, why: Why = unsaid) -> Principal | None:
        """Whose token this is; None where it is not right, has expired or was revoked, and then `why` is told. Raises
        `StoreUnavailable`."""
        found = self._recognised.get(given)
        if found is None or found.signed_by not in self._signing():
            found = self._checked(given, why)
            if found is None:
                return None
            self._recognised.put(given, found)
        if (found.principal.expires_at or 0) <= time.time():
            why("it has expired (exp)")
            return None
        if found.made_by is not None and not self._key_counts(found.made_by):
            why("the key that made it was revoked, or has expired")
            return None
        if await self._is_revoked(found.principal, found.token_id):
            why("it was taken back")
            return None
        return found.principal

    async def revoke(self, tenant: str, session_id: str, token_id: str) -> None:
        """Raises `StoreUnavailable`."""
        mark = _mark(tenant, session_id, token_id)
        await self._blobs.put(mark, b"revoked")
        self._believe(mark, True)

    def _checked(self, given: str, why: Why) -> _Read | None:
        try:
            key_id = jwt.get_unverified_header(given).get("kid")
            key = next((key for key in self._signing() if key.id == key_id), None)
            if key is None:
                why("the file of keys has no signing key with its kid")
                return None
            claims = jwt.decode(
                given,
                key.private.public_key(),
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                # When the token ends is looked at in each request, without this.
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "jti", "sid"], "verify_aud": False},
            )
        except PyJWTError as error:
            why(in_words(error))
            return None
        scopes = tuple(scope for scope in str(claims.get("scope")).split() if scope in BROWSER)
        principal = Principal(
            claims["aud"],
            claims.get("sub"),
            scopes,
            session=claims["sid"],
            first_run=claims.get("run"),
            actor=claims["act"]["sub"],
            method="token",
            expires_at=float(claims["exp"]),
        )
        return _Read(principal, claims["jti"], claims.get("key"), key)

    async def _is_revoked(self, principal: Principal, token_id: str) -> bool:
        assert principal.session is not None
        mark = _mark(principal.tenant, principal.session, token_id)
        believed = self._believed.get(mark)
        if believed is not None and time.monotonic() < believed[1]:
            return believed[0]
        look = self._looks.get(mark)
        if look is None:
            look = self._looks[mark] = asyncio.create_task(self._look(mark))
            look.add_done_callback(lambda _: self._looks.pop(mark))
        try:
            revoked = await asyncio.shield(look)
        except StoreUnavailable:
            if believed is None:
                raise
            # A token ends within minutes; until then, what was known last holds while the store is away.
            revoked = believed[0]
        self._believe(mark, revoked)
        return revoked

    async def _look(self, mark: str) -> bool:
        """One for all requests that come with the token meanwhile."""
        try:
            await self._blobs.get(mark)
        except BlobMissing:
            return False
        return True

    def _believe(self, mark: str, revoked: bool) -> None:
        self._believed[mark] = (revoked, time.monotonic() + (_REVOKED_S if revoked else _BELIEVED_S))
        self._believed.move_to_end(mark)
        while len(self._believed) > _MOST_BELIEVED:
            self._believed.popitem(last=False)


def is_session_token(given: str) -> bool:
    """Whether a token says that it is one of these. What it says is not believed for that."""
    try:
        return jwt.get_unverified_header(given).get("typ") == TYPE
    except PyJWTError:
        return False


def _mark(tenant: str, session_id: str, token_id: str) -> str:
    return f"{tenant}/{session_id}/tokens/{token_id}"
