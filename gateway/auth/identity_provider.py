"""Tokens of an identity provider: JWTs (RFC 7519) whose issuer signs them, and whose claims say who calls.

Rule 1: signature, issuer, audience and expiry have to be right, whatever else a token says. Of a token that is not right,
nothing is believed.
Rule 2: a token names no scope that is not one of `temporal/sessions/scopes.py`: all others of its claim are left out.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import jwt
from jwt.exceptions import PyJWTError
from pydantic import TypeAdapter

from perdure.gateway.auth.key_set import KeySet, checked_address
from perdure.gateway.auth.reasons import Why, in_words, unsaid
from perdure.gateway.auth.recognised import Recognised
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import Label, SessionId
from perdure.temporal.sessions.scopes import is_scope
from perdure.temporal.settings import Settings
from perdure.temporal.user_error import UserError
from perdure.workflows.vocabulary.questions import LOCAL

LEEWAY_S: Final = 60
_LONGEST: Final = 16 * 1024
_TENANT: Final[TypeAdapter[str]] = TypeAdapter(SessionId)
_USER: Final[TypeAdapter[str]] = TypeAdapter(Label)


@dataclass(frozen=True, slots=True)
class Claims:
    """Which claims say who calls. A name with dots is first looked for as it is, then as a path."""

    tenant: str | None
    #: Where no claim says it.
    default_tenant: str
    user: str
    scopes: str
    #: What each token's owner may do besides.
    granted: tuple[str, ...]

    def principal(self, claims: Mapping[str, Any], why: Why = unsaid) -> Principal | None:
        """None where they do not name a tenant and a user."""
        tenant = self.default_tenant if self.tenant is None else _found(claims, self.tenant)
        user = _found(claims, self.user)
        try:
            user = _USER.validate_python(user)
        except ValueError:
            user = None
        if user is None or user == LOCAL:
            why(f"no user is named by its claim {self.user} (PERDURE_JWT_USER_CLAIM)")
            return None
        try:
            tenant = _TENANT.validate_python(tenant)
            acting = claims.get("act")
            actor = acting.get("sub") if isinstance(acting, dict) else None
            return Principal(
                tenant,
                user,
                tuple(dict.fromkeys((*self.granted, *_names(_found(claims, self.scopes))))),
                actor=actor if isinstance(actor, str) else None,
                method="jwt",
                expires_at=float(claims["exp"]) + LEEWAY_S,
            )
        except OverflowError:
            why("its exp is a time that no clock ever tells")
            return None
        except ValueError:
            # Not the form of a name, or one that is reserved.
            why(f"no tenant is named by its claim {self.tenant} (PERDURE_JWT_TENANT_CLAIM)")
            return None


class ProviderInvalid(UserError):
    """A setting of the identity provider cannot be meant; the message names the variable."""


class IdentityProvider:
    def __init__(self, issuer: str, audience: tuple[str, ...], keys: KeySet, claims: Claims) -> None:
        self._issuer = issuer
        self._audience = list(audience)
        self._keys = keys
        self._claims = claims
        #: With the generation of keys that it was checked by.
        self._recognised: Recognised[tuple[Principal, float | None]] = Recognised()

    @classmethod
    def of(cls, settings: Settings) -> "IdentityProvider | None":
        """What the settings name; None: there is none. Raises `ProviderInvalid`."""
        if settings.jwt_issuer is None:
            return None
        _check(settings)
        claims = Claims(
            settings.jwt_tenant_claim,
            settings.jwt_tenant,
            settings.jwt_user_claim,
            settings.jwt_scope_claim,
            settings.jwt_scopes or (),
        )
        keys = KeySet(settings.jwt_issuer, settings.jwt_keys_url)
        return cls(settings.jwt_issuer, settings.jwt_audience or (), keys, claims)

    async def principal(self, given: str, why: Why = unsaid) -> Principal | None:
        """Whose token this is; None where it is not right, and then `why` is told. Raises Problem `issuer_unavailable`."""
        if len(given) > _LONGEST:
            why("it is too long")
            return None
        generation = await self._keys.generation()
        before = self._recognised.get(given)
        if before is not None and before[1] == generation and (before[0].expires_at or 0) > time.time():
            return before[0]
        found = await self._checked(given, why)
        if found is not None:
            self._recognised.put(given, (found, generation))
        return found

    async def _checked(self, given: str, why: Why) -> Principal | None:
        try:
            header = jwt.get_unverified_header(given)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
                why("its header names no algorithm, or no key")
                return None
            key = await self._keys.key(key_id, algorithm)
            if key is None:
                why("the issuer publishes no key with its kid and algorithm")
                return None
            claims = jwt.decode(
                given,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except OverflowError:
            why("one of its times is one that no clock ever tells")
            return None
        except PyJWTError as error:
            why(in_words(error))
            return None
        return self._claims.principal(claims, why)


def _check(settings: Settings) -> None:
    for name, address in (("ISSUER", settings.jwt_issuer), ("KEYS_URL", settings.jwt_keys_url)):
        try:
            if address is not None and (name == "KEYS_URL" or settings.jwt_keys_url is None):
                checked_address(address)
        except (ValueError, httpx2.InvalidURL) as problem:
            raise ProviderInvalid(f"PERDURE_JWT_{name}: {problem}") from None
    for scope in settings.jwt_scopes or ():
        if not is_scope(scope):
            raise ProviderInvalid(f"PERDURE_JWT_SCOPES: {scope!r} is no scope")
    try:
        Principal(_TENANT.validate_python(settings.jwt_tenant))
    except ValueError:
        raise ProviderInvalid(f"PERDURE_JWT_TENANT: {settings.jwt_tenant!r} cannot be a tenant's name") from None


def _found(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    value: Any = claims
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _names(value: Any) -> list[str]:
    """The scopes of a claim: a list, or text with blanks between them (RFC 8693, section 4.2)."""
    names = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return [name for name in names if isinstance(name, str) and is_scope(name)]
