"""Who calls a gateway that asks: the key or the token in the header `Authorization`, else in a cookie.

Rule: a refusal does not tell its caller which part of what was given was wrong. The log says it, and nothing of a key or a
token but what `reasons.py` lets through.
"""

from dataclasses import dataclass, replace
from typing import Final

import structlog
from starlette.requests import HTTPConnection

from perdure.gateway.auth.api_keys import PREFIX, ApiKeys, id_of
from perdure.gateway.auth.identity_provider import IdentityProvider
from perdure.gateway.auth.key_file import KeyFile
from perdure.gateway.auth.own_page import is_own_page
from perdure.gateway.auth.reasons import Why, said_by
from perdure.gateway.auth.session_tokens import SessionTokens, is_session_token
from perdure.gateway.auth.sign_ins import SignedIn, SignIns, is_sign_in
from perdure.gateway.auth.sign_outs import SignOuts
from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore

#: The cookie of a session's token, which an app's backend sets.
COOKIE: Final = "perdure_token"
#: The cookie of whoever signed in on the gateway's own pages.
SIGNED_IN: Final = "perdure_sign_in"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Authentication:
    """An `Authenticate`."""

    keys: ApiKeys | None
    provider: IdentityProvider | None
    tokens: SessionTokens | None = None
    sign_ins: SignIns | None = None

    async def __call__(self, request: HTTPConnection) -> Principal:
        for given in _given(request):
            reasons: list[str] = []
            found = await self._found(given, reasons.append)
            if found is not None:
                return found
        raise _refused(given, reasons, request.url.path)

    async def sign_in(self, given: str) -> SignedIn:
        """Who gives this key or token on the sign-in of a page, and what a cookie holds for them from then on. Raises Problem
        `unauthenticated`, and as `principal` of what checks it."""
        of_key = given.startswith(PREFIX)
        reasons: list[str] = []
        found = None if is_sign_in(given) else await self._found(given, reasons.append)
        signed_in = SignedIn(found, given, found.expires_at) if found is not None else None
        if found is not None and of_key and self.sign_ins is not None:
            signed_in = self.sign_ins.sign_in(id_of(given))
        if signed_in is None:
            raise _refused(given, reasons, "/v1/sign-in")
        return signed_in

    async def sign_out(self, given: str) -> None:
        """Ends what a cookie holds for somebody, unless that is a token, which ends by itself. Raises `StoreUnavailable`."""
        if self.sign_ins is not None and is_sign_in(given):
            await self.sign_ins.sign_out(given)

    async def _found(self, given: str, why: Why) -> Principal | None:
        if given.startswith(PREFIX):
            if self.keys is not None:
                return await self.keys.principal(given, why)
            why("this gateway takes no API keys (PERDURE_KEYS_FILE)")
        elif is_sign_in(given):
            if self.sign_ins is not None:
                return await self.sign_ins.principal(given, why)
            why("nobody signs in here with a key (PERDURE_KEYS_FILE)")
        elif is_session_token(given):
            if self.tokens is not None:
                return await self.tokens.principal(given, why)
            why("this gateway takes no tokens of sessions (PERDURE_KEYS_FILE)")
        elif self.provider is not None:
            return await self.provider.principal(given, why)
        else:
            why("this gateway takes no tokens of an identity provider (PERDURE_JWT_ISSUER)")
        return None

    def with_tokens(self, blobs: BlobStore) -> "tuple[Authentication, SessionTokens | None]":
        """Itself with tokens of sessions and with sign-outs, where there are API keys that both begin with."""
        keys = self.keys
        if keys is None:
            return self, None
        tokens = SessionTokens(lambda: keys.signing, blobs, lambda key_id: keys.kept(key_id) is not None)
        return replace(self, tokens=tokens, sign_ins=SignIns(keys, SignOuts(blobs))), tokens


def authentication(settings: Settings) -> Authentication | None:
    """What the settings ask for; None: nobody is asked. Raises `KeyFileInvalid` and `ProviderInvalid`."""
    if settings.keys_file is None and settings.jwt_issuer is None:
        return None
    keys = None if settings.keys_file is None else ApiKeys(KeyFile(settings.keys_file))
    return Authentication(keys, IdentityProvider.of(settings), sign_ins=None if keys is None else SignIns(keys))


def _refused(given: str, reasons: list[str], path: str) -> Problem:
    of_key = given.startswith(PREFIX)
    said = {} if of_key else said_by(given)
    reason = "; ".join(reasons) or "it stands for a sign-in, and counts for a page's own cookie alone"
    log.info("auth.refused", path=path, given="key" if of_key else "token", reason=reason, **said)
    what = "key is not known, has expired or was revoked" if of_key else "token is not valid, or has expired"
    return Problem("unauthenticated", f"The {what}.")


def _given(request: HTTPConnection) -> tuple[str, ...]:
    """The key or the token, or what cookies hold, to be tried one after the other. A page sends a cookie whoever made it do
    so: an app's cookie holds tokens of sessions alone, and that of a sign-in counts for the gateway's own pages alone."""
    given = request.headers.getlist("authorization")
    if not given:
        signed_in, token = request.cookies.get(SIGNED_IN, ""), request.cookies.get(COOKIE, "")
        found = [signed_in] if signed_in and not signed_in.startswith(PREFIX) and is_own_page(request) else []
        if is_session_token(token):
            found.append(token)
        if found:
            return tuple(found)
        raise Problem("unauthenticated", "Say who calls: Authorization: Bearer, and an API key or a token.")
    scheme, _, value = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not value.strip():
        raise Problem(
            "unauthenticated", "The header Authorization has to be: Bearer, a space, and an API key or a token."
        )
    value = value.strip()
    if is_sign_in(value):
        raise _refused(value, [], request.url.path)
    return (value,)
