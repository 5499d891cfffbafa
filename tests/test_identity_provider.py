"""Tokens of an identity provider: whose they are, and every way in which they are not right."""

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from perdure.gateway.auth.authentication import authentication
from perdure.gateway.auth.identity_provider import Claims, IdentityProvider, ProviderInvalid
from perdure.gateway.auth.key_set import KeySet
from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.settings import Settings, SettingsInvalid
from tests.support.issuer import AUDIENCE, Issuer, issuer

USUAL = Claims(None, "default", "sub", "scope", ())


@pytest_asyncio.fixture(loop_scope="session")
async def there() -> AsyncIterator[Issuer]:
    async with issuer() as running:
        yield running


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def provider(there: Issuer, claims: Claims = USUAL, clock: Clock | None = None) -> IdentityProvider:
    return IdentityProvider(there.url, (AUDIENCE, "other"), KeySet(there.url, None, clock or Clock()), claims)


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims, with numbers of seconds as points in time."""
    now = int(time.time())
    times = {name: now + claims[name] for name in ("exp", "nbf", "iat") if isinstance(claims.get(name), int)}
    return claims | times


@pytest.mark.parametrize("key_id", ["rsa", "ec", "ed"])
async def test_a_token_of_each_kind_of_key(there: Issuer, key_id: str) -> None:
    at = int(time.time())
    given = there.token(
        key_id, scope="openid session:read session:raed finance metrics", exp=at + 60, aud=["x", "other"]
    )
    assert await provider(there).principal(given) == Principal(
        "default", "ann", ("openid", "session:read", "finance", "metrics"), method="jwt"
    )


async def test_claims_are_mapped(there: Issuer) -> None:
    claims = Claims("https://example.com/org", "default", "user.mail", "realm.roles", ("session:create", "agents:read"))
    given = there.token(
        **{"https://example.com/org": "acme"},
        user={"mail": "ann@example.com"},
        realm={"roles": ["session:read:any", "finance", "", 7, "a b"]},
        act={"sub": "desk"},
    )
    found = await provider(there, claims).principal(given)
    assert found is not None
    assert (found.tenant, found.user, found.actor) == ("acme", "ann@example.com", "desk")
    assert found.scopes == ("session:create", "agents:read", "session:read:any", "finance")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -120},
        {"exp": None},
        {"nbf": 120},
        {"iat": 120},
        {"aud": "somebody else"},
        {"aud": None},
        {"iss": "https://evil.example.com"},
        {"iss": None},
        {"sub": None},
        {"sub": "local"},
        {"sub": "a\nb"},
        {"sub": ""},
        {"sub": 7},
        {"exp": "soon"},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"nbf": float("inf")},
        {"iat": float("inf")},
        {"exp": float("nan")},
    ],
)
async def test_a_token_whose_claims_are_not_right(there: Issuer, claims: dict[str, Any]) -> None:
    assert await provider(there).principal(there.token(**from_now(claims))) is None


@pytest.mark.parametrize("claims", [{"exp": -5}, {"nbf": 45}])
async def test_clocks_may_differ_by_a_minute(there: Issuer, claims: dict[str, Any]) -> None:
    assert await provider(there).principal(there.token(**from_now(claims))) is not None


@pytest.mark.parametrize("tenant", [None, "definitions", "a/b", "~", "", 7, ["acme"]])
async def test_a_tenant_that_is_none(there: Issuer, tenant: Any) -> None:
    asked = provider(there, Claims("tenant", "default", "sub", "scope", ()))
    assert await asked.principal(there.token(tenant=tenant)) is None


async def test_forged_tokens(there: Issuer) -> None:
    asked = provider(there)
    right = there.token()
    assert await asked.principal(right) is not None
    head, payload, signature = right.split(".")
    mine = rsa.generate_private_key(65537, 2048)
    there.keys["rsa"], theirs = (mine, "RS256"), there.keys["rsa"]
    forged = there.token()
    there.keys["rsa"] = theirs
    public = (
        theirs[0].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    unsigned = there.unsigned({"alg": "HS256", "kid": "rsa", "typ": "JWT"}).rpartition(".")[0]
    mac = there.unsigned({"alg": "HS256", "kid": "rsa", "typ": "JWT"}, hmac.digest(public, unsigned.encode(), "sha256"))
    other = there.token(sub="root").split(".")
    for wrong in (
        forged,
        mac,
        there.unsigned({"alg": "none"}),
        there.unsigned({"alg": "none", "kid": "rsa"}),
        there.unsigned({"alg": "None", "kid": "rsa"}),
        there.unsigned({"kid": "rsa"}),
        there.unsigned({"alg": "RS256", "kid": "rsa"}, hashlib.sha256(b"x").digest()),
        there.unsigned({"alg": "RS256", "kid": ["rsa"]}),
        there.unsigned({"alg": "ES256", "kid": "rsa"}),
        # Another key than the one that is named, and no key at all where there are several.
        f"{head}.{other[1]}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}",
        there.unsigned({"alg": "RS256"}),
        "",
        "...",
        "a.b.c",
        right + "x" * 20_000,
    ):
        assert await asked.principal(wrong) is None, wrong
    assert await asked.principal(right) is not None


async def test_an_unknown_key_is_looked_for_each_half_minute(there: Issuer) -> None:
    clock = Clock()
    asked = provider(there, clock=clock)
    there.told = ["rsa"]
    assert await asked.principal(there.token("rsa")) is not None
    assert there.fetches == 1
    there.told = ["rsa", "ec"]
    for _ in range(3):
        assert await asked.principal(there.token("ec")) is None
    assert there.fetches == 1
    clock.now = 30
    assert await asked.principal(there.token("ec")) is not None
    assert await asked.principal(there.token("ed")) is None
    assert there.fetches == 2


async def test_a_key_that_is_withdrawn_ends_after_ten_minutes_and_an_outage_ends_none(there: Issuer) -> None:
    clock = Clock()
    asked = provider(there, clock=clock)
    assert await asked.principal(there.token("rsa")) is not None
    there.up = False
    clock.now = 601
    assert await asked.principal(there.token("rsa")) is not None
    there.up, there.told = True, ["ec"]
    clock.now = 632
    assert await asked.principal(there.token("rsa")) is None
    assert await asked.principal(there.token("ec")) is not None


async def test_a_provider_that_never_answered_is_no_fault_of_the_caller(there: Issuer) -> None:
    there.up = False
    asked = provider(there)
    with pytest.raises(Problem) as refused:
        await asked.principal(there.token())
    assert (refused.value.code, refused.value.status) == ("issuer_unavailable", 503)


def test_settings_that_cannot_be_meant_are_named() -> None:
    fine = {"jwt_issuer": "https://login.example.com", "jwt_audience": "perdure"}
    assert authentication(Settings.load(**fine)) is not None
    with pytest.raises(SettingsInvalid, match="PERDURE_JWT_ISSUER and PERDURE_JWT_AUDIENCE: set both"):
        Settings.load(jwt_issuer="https://login.example.com")
    for name, value in (
        ("jwt_issuer", "http://login.example.com"),
        ("jwt_keys_url", "ftp://login.example.com/keys"),
        ("jwt_scopes", "session:raed"),
        ("jwt_tenant", "definitions"),
    ):
        with pytest.raises(ProviderInvalid, match=f"PERDURE_{name}".upper()):
            authentication(Settings.load(**{**fine, name: value}))
