"""Who calls a gateway that asks: the key or the token in the header `Authorization`.

Rule: nothing that a caller gave is logged or told, and a refusal does not say which part of it was wrong.
"""

from dataclasses import dataclass, replace
from typing import Final

import structlog
from starlette.requests import HTTPConnection

from perdure.gateway.auth.api_keys import PREFIX, ApiKeys
from perdure.gateway.auth.identity_provider import IdentityProvider
from perdure.gateway.auth.key_file import KeyFile
from perdure.gateway.auth.session_tokens import SessionTokens, is_session_token
from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore

#: The cookie of a session's token.
COOKIE: Final = "perdure_token"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Authentication:
    """An `Authenticate`."""

    keys: ApiKeys | None
    provider: IdentityProvider | None
    tokens: SessionTokens | None = None

    async def __call__(self, request: HTTPConnection) -> Principal:
        given = _given(request)
        of_key = given.startswith(PREFIX)
        found = await (self._of_key(given) if of_key else self._of_token(given))
        if found is None:
            log.info("auth.refused", path=request.url.path, given="key" if of_key else "token")
            what = "key is not known, has expired or was revoked" if of_key else "token is not valid, or has expired"
            raise Problem("unauthenticated", f"The {what}.")
        return found

    async def _of_key(self, given: str) -> Principal | None:
        return None if self.keys is None else await self.keys.principal(given)

    async def _of_token(self, given: str) -> Principal | None:
        if is_session_token(given):
            return None if self.tokens is None else await self.tokens.principal(given)
        return None if self.provider is None else await self.provider.principal(given)

    def with_tokens(self, blobs: BlobStore) -> "tuple[Authentication, SessionTokens | None]":
        """Itself with tokens of sessions, where there are API keys to make them."""
        keys = self.keys
        if keys is None:
            return self, None
        tokens = SessionTokens(lambda: keys.signing, blobs)
        return replace(self, tokens=tokens), tokens


def authentication(settings: Settings) -> Authentication | None:
    """What the settings ask for; None: nobody is asked. Raises `KeyFileInvalid` and `ProviderInvalid`."""
    if settings.keys_file is None and settings.jwt_issuer is None:
        return None
    keys = None if settings.keys_file is None else ApiKeys(KeyFile(settings.keys_file))
    return Authentication(keys, IdentityProvider.of(settings))


def _given(request: HTTPConnection) -> str:
    """The key or the token. A cookie holds tokens of sessions alone: a page sends it whoever made the page do so."""
    given = request.headers.getlist("authorization")
    if not given:
        token = request.cookies.get(COOKIE, "")
        if is_session_token(token):
            return token
        raise Problem("unauthenticated", "Say who calls: Authorization: Bearer, and an API key or a token.")
    scheme, _, value = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not value.strip():
        raise Problem(
            "unauthenticated", "The header Authorization has to be: Bearer, a space, and an API key or a token."
        )
    return value.strip()
