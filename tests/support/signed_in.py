"""A gateway that asks who calls, with a file of keys that tests add to and take from, and people who sign in on its pages."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from fastapi import FastAPI
from playwright.async_api import Page

from perdure.gateway.app import create_app
from perdure.gateway.auth.api_keys import ApiKeys, NewKey, new_key
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.auth.key_file import KeyFile, Keys, changed_keys, read_keys
from perdure.gateway.auth.sign_ins import SignIns
from perdure.temporal.sessions.scopes import EVERYTHING, OF_A_USER
from tests.support.session_lab import Lab

OWN = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


@dataclass
class House:
    app: FastAPI
    file: Path
    lab: Lab
    authentication: Authentication

    def key(
        self,
        user: str | None,
        tenant: str = "lab",
        expires_at: datetime | None = None,
        scopes: tuple[str, ...] | None = None,
        note: str = "",
    ) -> NewKey:
        """By default of all scopes that a backend has, or a user."""
        usual = EVERYTHING if user is None else OF_A_USER
        made = new_key(tenant, user, usual if scopes is None else scopes, datetime.now(UTC), expires_at, note)
        with changed_keys(self.file) as replace:
            before = read_keys(self.file) if self.file.exists() else Keys()
            replace(before.model_copy(update={"keys": (*before.keys, made.kept)}))
        return made

    def revoke(self, key: NewKey) -> None:
        with changed_keys(self.file) as replace:
            before = read_keys(self.file)
            replace(before.model_copy(update={"keys": tuple(one for one in before.keys if one.id != key.kept.id)}))

    def http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://localhost", headers=OWN)


class Clock:
    """Makes a key file look at what it is each time that it is asked."""

    now = 0.0

    def tick(self) -> float:
        self.now += 10
        return self.now


def house_on(lab: Lab, folder: Path) -> House:
    """A gateway over `lab`, whose file of keys lies in `folder`."""
    file = folder / "secrets" / "keys.json"
    with changed_keys(file) as replace:
        replace(Keys())
    keys = ApiKeys(KeyFile(file, Clock().tick))
    asks, tokens = Authentication(keys, None, sign_ins=SignIns(keys)).with_tokens(lab.parts.blobs)
    app = create_app(
        client=lab.client,
        live=lab.live,
        blobs=lab.parts.blobs,
        definitions=lab.parts.definitions,
        settings=lab.parts.settings.model_copy(update={"allowed_origins": ("https://app.example.com",)}),
        authenticate=asks,
        tokens=tokens,
        sign_in=asks.sign_in,
        sign_out=asks.sign_out,
    )
    return House(app, file, lab, asks)


async def sign_in(page: Page, text: str) -> None:
    await page.get_by_label("Key or token").fill(text)
    await page.get_by_role("button", name="Sign in").click()
