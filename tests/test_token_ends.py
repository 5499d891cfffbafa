"""When a session's token ends: with the key that made it, and at its own time, whatever the clocks of other gateways say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perdure.gateway.auth.api_keys import ApiKeys, new_key
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.auth.key_file import KeyFile, Keys, changed_keys, read_keys
from perdure.temporal.sessions.scopes import BROWSER, EVERYTHING
from perdure.temporal.stores.blobs import LocalBlobs

NOW = datetime(2026, 1, 1, tzinfo=UTC)


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
