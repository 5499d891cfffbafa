"""Who calls a gateway that asks: the key or the token in the header `Authorization`.

Rule: nothing that a caller gave is logged or told, and a refusal does not say which part of it was wrong.
"""

from dataclasses import dataclass

import structlog
from starlette.requests import HTTPConnection

from perdure.gateway.auth.api_keys import PREFIX, ApiKeys
from perdure.gateway.auth.key_file import KeyFile
from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Authentication:
    """An `Authenticate`."""

    keys: ApiKeys

    async def __call__(self, request: HTTPConnection) -> Principal:
        given = _bearer(request)
        found = await self.keys.principal(given) if given.startswith(PREFIX) else None
        if found is None:
            log.info("auth.refused", path=request.url.path, method="key")
            raise Problem("unauthenticated", "The key is not known, has expired or was revoked.")
        return found


def authentication(settings: Settings) -> Authentication | None:
    """What the settings ask for; None: nobody is asked. Raises `KeyFileInvalid`."""
    if settings.keys_file is None:
        return None
    return Authentication(ApiKeys(KeyFile(settings.keys_file)))


def _bearer(request: HTTPConnection) -> str:
    given = request.headers.getlist("authorization")
    if not given:
        raise Problem("unauthenticated", "Say who calls: Authorization: Bearer, and an API key.")
    scheme, _, value = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not value.strip():
        raise Problem("unauthenticated", "The header Authorization has to be: Bearer, a space, and an API key.")
    return value.strip()
