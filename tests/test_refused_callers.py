"""What the log says of callers who were refused: why, and nothing that would let anybody in."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from starlette.requests import Request
from structlog.testing import capture_logs

from perdure.gateway.auth.api_keys import ApiKeys, new_key
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.auth.identity_provider import Claims, IdentityProvider
from perdure.gateway.auth.key_file import KeyFile, Keys, changed_keys
from perdure.gateway.auth.key_set import KeySet
from perdure.gateway.auth.sign_ins import SignIns
from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.scopes import EVERYTHING
from tests.support.issuer import AUDIENCE, Issuer, issuer


@pytest_asyncio.fixture(loop_scope="session")
async def there() -> AsyncIterator[Issuer]:
    async with issuer() as running:
        yield running


def of_provider(there: Issuer) -> Authentication:
    claims = Claims("org", "default", "sub", "scope", ())
    return Authentication(None, IdentityProvider(there.url, (AUDIENCE,), KeySet(there.url, None), claims))


async def told(asks: Authentication, given: str, path: str = "/v1/agents") -> dict[str, Any]:
    """The one line of the log about this refusal; the same is told of who signs in with it."""
    headers = [(b"authorization", f"Bearer {given}".encode())]
    request = Request({"type": "http", "path": path, "headers": headers, "method": "GET", "query_string": b""})
    with capture_logs() as logs, pytest.raises(Problem) as refused:
        await asks(request)
    assert refused.value.code == "unauthenticated"
    with capture_logs() as signing_in, pytest.raises(Problem):
        await asks.sign_in(given)
    [line] = [line for line in logs if line["event"] == "auth.refused"]
    [other] = [line for line in signing_in if line["event"] == "auth.refused"]
    assert other == {**line, "path": "/v1/sign-in"}
    secret = given.rpartition("." if "." in given else "_")[2]
    assert len(secret) > 20
    assert not [value for value in line.values() if secret in str(value) or given in str(value)]
    # Nobody else is told.
    assert line["reason"] not in str(refused.value.detail)
    return dict(line)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "shop"}, "its aud is not the one that is asked for"),
        ({"iss": "https://evil.example.com"}, "its iss is not the one that is asked for"),
        ({"exp": -120}, "it has expired (exp)"),
        ({"nbf": 120}, "it does not count yet (nbf, iat); are the clocks right?"),
        ({"exp": None}, "it has no exp"),
        ({"org": None}, "no tenant is named by its claim org (PERDURE_JWT_TENANT_CLAIM)"),
        ({"org": "definitions"}, "no tenant is named by its claim org (PERDURE_JWT_TENANT_CLAIM)"),
        ({"sub": None}, "no user is named by its claim sub (PERDURE_JWT_USER_CLAIM)"),
    ],
)
async def test_why_a_token_was_refused(there: Issuer, claims: dict[str, Any], reason: str) -> None:
    now = int(time.time())
    given: dict[str, Any] = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    line = await told(of_provider(there), there.token("rsa", **{"org": "acme", **given}))
    assert (line["given"], line["path"], line["reason"]) == ("token", "/v1/agents", reason)
    assert (line["iss"], line["aud"], line["kid"]) == (
        given.get("iss", there.url),
        given.get("aud", AUDIENCE),
        "rsa",
    )


async def test_why_a_forged_token_was_refused(there: Issuer) -> None:
    asks = of_provider(there)
    there.told = ["ec"]
    assert (await told(asks, there.token("rsa")))["reason"] == "the issuer publishes no key with its kid and algorithm"
    head, _, signature = there.token("ec", org="acme").split(".")
    forged = ".".join((head, there.token("ec", org="acme", sub="root").split(".")[1], signature))
    assert (await told(asks, forged))["reason"] == "its signature does not fit the key"
    nonsense = await told(asks, "a.b.nonsensenonsensenonsense")
    assert nonsense["reason"] == "it is no JWT, or a claim of it has another type than it should"
    assert "iss" not in nonsense
    long = await told(asks, there.token("ec", aud=["a" * 150, "b\n" * 100]))
    assert len(long["aud"]) == 201
    assert "\n" not in long["aud"]


async def test_why_a_key_was_refused(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    fine = new_key("acme", None, EVERYTHING, now, None, "")
    over = new_key("acme", None, EVERYTHING, now, now - timedelta(hours=1), "")
    gone = new_key("acme", None, EVERYTHING, now, None, "")
    with changed_keys(tmp_path / "keys.json") as replace:
        replace(Keys(keys=(fine.kept, over.kept)))
    keys = ApiKeys(KeyFile(tmp_path / "keys.json"))
    asks = Authentication(keys, None, sign_ins=SignIns(keys))
    wrong = f"{fine.text[:-8]}00000000"
    for given, reason in (
        (over.text, f"the key {over.kept.id} has expired"),
        (gone.text, "the file has no key with its id"),
        (wrong, f"its secret is not that of the key {fine.kept.id}"),
    ):
        line = await told(asks, given)
        assert (line["given"], line["reason"]) == ("key", reason)


async def test_what_a_gateway_does_not_take_is_said(there: Issuer) -> None:
    key = new_key("acme", None, EVERYTHING, datetime.now(UTC), None, "").text
    line = await told(of_provider(there), key)
    assert line["reason"] == "this gateway takes no API keys (PERDURE_KEYS_FILE)"
    line = await told(Authentication(None, None), there.token())
    assert line["reason"] == "this gateway takes no tokens of an identity provider (PERDURE_JWT_ISSUER)"
