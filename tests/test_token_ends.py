"""When a session's token ends: with the key that made it, and at its own time, whatever the clocks of other gateways say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from perdure.gateway.auth.api_keys import ApiKeys, new_key
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.auth.key_file import KeyFile, Keys, SigningKey, changed_keys, read_keys
from perdure.gateway.auth.session_tokens import LEEWAY_S, SessionTokens
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import BROWSER, EVERYTHING
from perdure.temporal.stores.blobs import LocalBlobs

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNING = SigningKey.new()
BACKEND = Principal("lab", None, EVERYTHING, actor="key:1")


@pytest.mark.parametrize("user", [None, "ann"])
async def test_a_token_ends_with_the_key_that_made_it(tmp_path: Path, user: str | None) -> None:
    file, now = tmp_path / "keys" / "keys.json", [NOW]
    key = new_key("lab", user, EVERYTHING, NOW, NOW + timedelta(hours=1), "")
    with changed_keys(file) as replace:
        replace(Keys(keys=(key.kept,)))
    _, tokens = Authentication(ApiKeys(KeyFile(file), lambda: now[0]), None).with_tokens(LocalBlobs(tmp_path))
    assert tokens is not None
    made = tokens.mint(key.kept.principal, "s1", "ann", BROWSER, 60)
    assert await tokens.principal(made.text) is not None
    now[0] += timedelta(hours=1)
    assert await tokens.principal(made.text) is None
    now[0] = NOW
    assert await tokens.principal(made.text) is not None
    with changed_keys(file) as replace:
        replace(Keys(signing=read_keys(file).signing))
    # A gateway that starts now.
    _, tokens = Authentication(ApiKeys(KeyFile(file), lambda: now[0]), None).with_tokens(LocalBlobs(tmp_path))
    assert tokens is not None
    assert await tokens.principal(made.text) is None


@pytest.mark.parametrize(("ahead", "taken"), [(3, True), (LEEWAY_S - 5, True), (LEEWAY_S + 60, False), (-3, True)])
async def test_a_token_of_a_gateway_whose_clock_is_ahead(tmp_path: Path, ahead: int, taken: bool) -> None:
    tokens = SessionTokens(lambda: (SIGNING,), LocalBlobs(tmp_path))
    made = tokens.mint(BACKEND, "s1", "ann", BROWSER, 300).text
    claims, headers = jwt.decode(made, options={"verify_signature": False}), jwt.get_unverified_header(made)
    skewed = {**claims, "iat": claims["iat"] + ahead, "exp": claims["exp"] + ahead}
    found = await tokens.principal(jwt.encode(skewed, SIGNING.private, "EdDSA", headers=headers))
    assert (found is not None) is taken
    # The end of a token is not put off.
    over = jwt.encode({**claims, "exp": claims["iat"] - 1}, SIGNING.private, "EdDSA", headers=headers)
    assert await tokens.principal(over) is None


async def test_a_revoked_token_is_refused_by_each_gateway_of_the_store(tmp_path: Path) -> None:
    tokens = SessionTokens(lambda: (SIGNING,), LocalBlobs(tmp_path))
    made, stays = (tokens.mint(BACKEND, "s1", "ann", BROWSER, 60) for _ in range(2))
    assert await tokens.principal(made.text) is not None
    await tokens.revoke("lab", "s1", made.token_id)
    for gateway in (tokens, SessionTokens(lambda: (SIGNING,), LocalBlobs(tmp_path))):
        assert await gateway.principal(made.text) is None
        assert await gateway.principal(stays.text) is not None
