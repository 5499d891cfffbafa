"""Signing in on the gateway's own pages: a key or a token is given once, and a cookie stands for it from then on.

Rule 1: no script can read the cookie, no other site's page can send it (`own_page.py`), and no address holds it.
Rule 2: for an API key the cookie holds a statement that names the key and ends after some hours. It counts only while the
file has the key's line, so whoever revokes the key ends it, and so does whoever signs out. A token stands in the cookie as it
is, and ends by itself.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Final

import jwt
from jwt.exceptions import PyJWTError

from perdure.gateway.auth.api_keys import ApiKeys
from perdure.gateway.auth.key_file import ApiKey, SigningKey
from perdure.gateway.auth.reasons import Why, in_words, unsaid
from perdure.gateway.auth.recognised import Recognised
from perdure.gateway.auth.sign_outs import SignOuts
from perdure.temporal.sessions.principal import Principal

#: The header `typ`, which tells these statements from tokens of sessions, and those from these.
TYPE: Final = "perdure-sign-in+jwt"
#: After which somebody signs in again.
LASTS_S: Final = 12 * 3600
_ISSUER: Final = "perdure"
_ALGORITHM: Final = "EdDSA"


@dataclass(frozen=True, slots=True)
class SignedIn:
    principal: Principal
    #: For the cookie.
    text: str
    #: In seconds since 1970; None: as long as the browser is open.
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class _Stated:
    key_id: str
    mark: str
    expires_at: float
    signed_by: SigningKey


class SignIns:
    def __init__(self, keys: ApiKeys, sign_outs: SignOuts | None = None) -> None:
        """Without `sign_outs`, a statement ends with its key and by itself alone."""
        self._keys = keys
        self._sign_outs = sign_outs
        self._recognised: Recognised[_Stated] = Recognised()

    def sign_in(self, key_id: str) -> SignedIn | None:
        """For an API key that has been checked; None where it was revoked meanwhile."""
        kept = self._keys.kept(key_id)
        if kept is None:
            return None
        ends = time.time() + LASTS_S
        if kept.expires_at is not None:
            ends = min(ends, kept.expires_at.timestamp())
        signing = self._keys.signing[0]
        claims = {"iss": _ISSUER, "sub": key_id, "fits": _mark(kept), "exp": int(ends), "jti": secrets.token_hex(8)}
        text = jwt.encode(claims, signing.private, _ALGORITHM, headers={"typ": TYPE, "kid": signing.id})
        return SignedIn(kept.principal, text, ends)

    async def principal(self, given: str, why: Why = unsaid) -> Principal | None:
        """Who signed in; None where that is not right, is over, or the key was revoked, and then `why` is told. Raises
        `StoreUnavailable`."""
        found = self._counts(given, why)
        if found is None:
            return None
        stated, kept = found
        if self._sign_outs is not None and await self._sign_outs.ended(given, stated.expires_at):
            why("somebody has signed out")
            return None
        return kept.principal_until(stated.expires_at)

    async def sign_out(self, given: str) -> None:
        """Ends a statement, wherever there are copies of it. Nothing where it does not count. Raises `StoreUnavailable`."""
        found = self._counts(given, unsaid)
        if found is not None and self._sign_outs is not None:
            await self._sign_outs.end(given, found[0].expires_at)

    def _counts(self, given: str, why: Why) -> tuple[_Stated, ApiKey] | None:
        """What a statement says that is right and not over, and its key, which the file has."""
        found = self._recognised.get(given)
        if found is None or found.signed_by not in self._keys.signing:
            found = self._checked(given, why)
            if found is None:
                return None
            self._recognised.put(given, found)
        kept = self._keys.kept(found.key_id)
        if kept is None or _mark(kept) != found.mark:
            why("the key that somebody signed in with was revoked, or has expired")
            return None
        if found.expires_at <= time.time():
            why("the sign-in is over")
            return None
        return found, kept

    def _checked(self, given: str, why: Why) -> _Stated | None:
        try:
            key_id = jwt.get_unverified_header(given).get("kid")
            key = next((key for key in self._keys.signing if key.id == key_id), None)
            if key is None or not is_sign_in(given):
                why("the file of keys has no signing key with its kid")
                return None
            claims = jwt.decode(
                given,
                key.private.public_key(),
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["exp", "iss", "sub", "fits"]},
            )
        except PyJWTError as error:
            why(in_words(error))
            return None
        return _Stated(str(claims["sub"]), str(claims["fits"]), float(claims["exp"]), key)


def is_sign_in(given: str) -> bool:
    """Whether a text says that it is such a statement. What it says is not believed for that."""
    try:
        return jwt.get_unverified_header(given).get("typ") == TYPE
    except PyJWTError:
        return False


def _mark(kept: ApiKey) -> str:
    return hashlib.sha256(kept.hash.encode()).hexdigest()
