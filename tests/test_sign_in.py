"""Signing in on the gateway's own pages: what the cookie is worth, and the dialog in real Chromium."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, expect

from perdure.gateway.app import create_app
from perdure.gateway.auth.api_keys import ApiKeys
from perdure.gateway.auth.authentication import SIGNED_IN, Authentication
from perdure.gateway.auth.key_file import KeyFile, SigningKey, read_keys
from perdure.gateway.auth.sign_ins import SignIns
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.scopes import BROWSER, OF_A_USER
from tests.support.browsing import WAIT_MS, open_browser, session_of
from tests.support.serving import serve
from tests.support.session_lab import Lab, Play, lab_on
from tests.support.signed_in import House, house_on, sign_in

pytestmark = pytest.mark.server

#: Sends a message and begins another, at once: the dialog may open at any request of the page's.
SAY_AND_DRAFT = """
(texts) => {
  const box = document.getElementById('message');
  for (const text of texts) {
    box.value = text;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    if (text !== texts.at(-1)) document.getElementById('composer').requestSubmit();
  }
}
"""
#: Signs in without the page.
SIGN_IN = """
(key) => fetch('/v1/sign-in', {
  method: 'POST', body: JSON.stringify({ key }), headers: { 'Content-Type': 'application/json' },
})
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("sign_in")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def house(lab: Lab, tmp_path: Path) -> House:
    return house_on(lab, tmp_path)


async def test_a_cookie_stands_for_the_key_that_was_given(house: House) -> None:
    ann = house.key("ann")
    async with house.http() as http:
        assert (await http.get("/v1/agents")).status_code == 401
        answer = await http.post("/v1/sign-in", json={"key": f" {ann.text}\n"})
        assert answer.json() == {
            **{"asks": True, "signed_in": True, "tenant": "lab", "subject": "ann", "name": "ann", "session": None},
            "scopes": list(OF_A_USER),
        }
        cookie = answer.headers["set-cookie"]
        assert ann.text not in cookie
        assert {"HttpOnly", "SameSite=strict", "Path=/v1"} <= set(cookie.split("; ")), cookie
        assert "Secure" not in cookie.split("; ")
        assert (await http.get("/v1/agents")).status_code == 200
        assert (await http.get("/v1/sign-in")).json()["subject"] == "ann"
        # Over TLS, which ends at a proxy, the browser sends it over nothing else.
        behind = await http.post(
            "/v1/sign-in", json={"key": ann.text}, headers={"Host": "127.0.0.1", "Origin": "https://127.0.0.1"}
        )
        assert "Secure" in behind.headers["set-cookie"].split("; ")
        assert (await http.delete("/v1/sign-in")).status_code == 204
        assert (await http.get("/v1/agents")).status_code == 401


async def test_who_signs_out_ends_every_copy_of_the_cookie_at_every_gateway(house: House) -> None:
    ann = house.key("ann")
    keys = ApiKeys(KeyFile(house.file))
    elsewhere, _ = Authentication(keys, None, sign_ins=SignIns(keys)).with_tokens(house.lab.parts.blobs)
    assert elsewhere.sign_ins is not None
    async with house.http() as http:
        copies = []
        for _ in range(2):
            http.cookies.clear()
            copies.append((await http.post("/v1/sign-in", json={"key": ann.text})).cookies[SIGNED_IN])
        assert (await http.delete("/v1/sign-in")).status_code == 204
        http.cookies.clear()
        replayed = [await http.get("/v1/agents", headers={"Cookie": f"{SIGNED_IN}={copy}"}) for copy in copies]
        # Somebody who signed in with the same key at another browser stays so.
        assert [one.status_code for one in replayed] == [200, 401]
        assert [await elsewhere.sign_ins.principal(copy) is not None for copy in copies] == [True, False]
        # What was forged, or is over, is not worth a note.
        signed_out = {"Cookie": f"{SIGNED_IN}={copies[0][:-4]}AAAA"}
        assert (await http.delete("/v1/sign-in", headers=signed_out)).status_code == 204
        assert (await http.get("/v1/agents", headers={"Cookie": f"{SIGNED_IN}={copies[0]}"})).status_code == 200
        assert (await http.post("/v1/sign-in", json={"key": ann.text})).status_code == 200
        assert (await http.get("/v1/agents")).status_code == 200


async def test_only_the_gateway_s_own_pages_can_use_it(house: House) -> None:
    ann = house.key("ann")
    async with house.http() as http:
        cookie = (await http.post("/v1/sign-in", json={"key": ann.text})).cookies[SIGNED_IN]
        allowed = {"Origin": "https://app.example.com", "Sec-Fetch-Site": "same-site"}
        foreign = {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}
        assert (await http.get("/v1/agents", headers=allowed)).status_code == 401
        assert (await http.get("/v1/agents", headers=foreign)).status_code == 403
        for headers in (allowed, foreign):
            assert (await http.post("/v1/sign-in", json={"key": ann.text}, headers=headers)).status_code == 403
            assert (await http.delete("/v1/sign-in", headers=headers)).status_code == 403
        http.cookies.clear()
        # What a cookie holds is worth nothing anywhere else, nor is a key in its place.
        for elsewhere in ({"Authorization": f"Bearer {cookie}"}, {"Cookie": f"{SIGNED_IN}={ann.text}"}):
            assert (await http.get("/v1/agents", headers=elsewhere)).status_code == 401
        assert (await http.post("/v1/sign-in", json={"key": cookie})).status_code == 401


async def test_it_ends_with_the_key_and_by_itself(house: House) -> None:
    ann, bob = house.key("ann"), house.key("bob", expires_at=datetime.now(UTC) + timedelta(hours=1))
    async with house.http() as http:
        cookie = (await http.post("/v1/sign-in", json={"key": ann.text})).cookies[SIGNED_IN]
        ends = jwt.decode(cookie, options={"verify_signature": False})["exp"]
        assert 11 * 3600 < ends - time.time() <= 12 * 3600
        assert (await http.get("/v1/agents")).status_code == 200
        house.revoke(ann)
        assert (await http.get("/v1/agents")).status_code == 401
        # No longer than the key itself counts.
        cookie = (await http.post("/v1/sign-in", json={"key": bob.text})).cookies[SIGNED_IN]
        assert jwt.decode(cookie, options={"verify_signature": False})["exp"] - time.time() <= 3600


async def test_a_statement_that_was_forged_or_is_of_another_kind(house: House) -> None:
    ann = house.key("ann")
    signing = read_keys(house.file).signing[0]
    sessions = house.authentication.tokens
    assert sessions is not None
    async with house.http() as http:
        right = (await http.post("/v1/sign-in", json={"key": ann.text})).cookies[SIGNED_IN]
        claims, headers = jwt.decode(right, options={"verify_signature": False}), jwt.get_unverified_header(right)
        of_session = sessions.mint(house.key(None).kept.principal, "s", "ann", BROWSER, 60).text
        named = {"typ": headers["typ"], "kid": headers["kid"]}
        of_other_claims = jwt.decode(of_session, options={"verify_signature": False})
        forged = [
            jwt.encode(claims, "x" * 32, "HS256", headers=named),
            jwt.encode(claims, "", "none", headers=named),
            jwt.encode(claims, signing.private.public_key().public_bytes_raw(), "HS256", headers=named),
            jwt.encode(claims, SigningKey.new().private, "EdDSA", headers=named),
            jwt.encode({**claims, "exp": 1}, signing.private, "EdDSA", headers=named),
            jwt.encode({**claims, "fits": "0" * 64}, signing.private, "EdDSA", headers=named),
            jwt.encode(claims, signing.private, "EdDSA", headers={**named, "kid": "../../etc/passwd"}),
            jwt.encode(of_other_claims, signing.private, "EdDSA", headers=named),
            right[:-4],
            "nonsense",
        ]
        for one in forged:
            http.cookies.clear()
            assert (await http.get("/v1/agents", headers={"Cookie": f"{SIGNED_IN}={one}"})).status_code == 401, one
        # A session's token gives what it says, and no more for standing in this cookie.
        for given in (of_session, "nonsense", f"{ann.text}x"):
            http.cookies.clear()
            answer = await http.post("/v1/sign-in", json={"key": given})
            assert answer.status_code == (200 if given == of_session else 401)
            assert given == of_session or given not in answer.text
            if given == of_session:
                assert (await http.get("/v1/agents")).status_code == 403


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[BrowserContext]:
    expect.set_options(timeout=WAIT_MS)
    async with open_browser(chromium) as context:
        yield context


@pytest.mark.browser
async def test_a_person_signs_in_goes_on_after_the_key_is_revoked_and_signs_out(
    house: House, browser: BrowserContext
) -> None:
    first, second, bob = house.key("ann"), house.key("ann"), house.key("bob")
    house.lab.stage.plays = [Play("Good morning."), Play("Good evening.")]
    async with serve(house.app) as port:
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        await page.goto(f"http://127.0.0.1:{port}/")
        dialog = page.get_by_role("dialog", name="Sign in")
        await expect(dialog).to_be_visible()
        await expect(page.get_by_label("Key or token")).to_be_focused()
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_visible()
        await sign_in(page, "pk_lab_000000000000_wrong")
        await expect(dialog.get_by_role("alert")).to_have_text("The key is not known, has expired or was revoked.")
        await sign_in(page, first.text)
        await expect(dialog).to_be_hidden()
        await page.get_by_role("radio", name="slow").check()
        await page.locator("#message").fill("Hello")
        await page.keyboard.press("Enter")
        await expect(page.locator("#transcript")).to_contain_text("Good morning.")
        await expect(page.locator("#signed-in")).to_contain_text("ann")

        # What no longer counts is noticed by the next request, which waits; the draft below stays.
        address, session_id = page.url, session_of(page)
        house.revoke(first)
        await page.evaluate(SAY_AND_DRAFT, ["Good night", "a draft"])
        await expect(page.get_by_role("dialog", name="Sign in again")).to_be_visible()
        await sign_in(page, second.text)
        await expect(page.locator("#transcript")).to_contain_text("Good evening.")
        assert page.url == address
        await expect(page.locator("#message")).to_have_value("a draft")
        stored = await page.evaluate("JSON.stringify([localStorage, sessionStorage, location.href, document.cookie])")
        assert second.text not in stored and second.text.rsplit("_", 1)[1] not in stored

        inspector = await browser.new_page()
        await inspector.goto(f"http://127.0.0.1:{port}/sessions/{session_id}")
        await expect(inspector.locator("#timeline")).to_contain_text("Good night")
        await expect(inspector.locator("#signed-in")).to_contain_text("ann")

        # Whoever signs out leaves nothing for whoever comes next.
        await page.get_by_role("button", name="Sign out").click()
        await expect(dialog).to_be_visible()
        assert await page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('perdure.'))") == []
        await sign_in(page, bob.text)
        await expect(page.locator("#signed-in")).to_contain_text("bob")
        await expect(page.locator("#message")).to_have_value("")
        await expect(page.locator("#transcript")).not_to_contain_text("Good")
        await inspector.reload()
        await expect(inspector.locator("#timeline")).not_to_contain_text("Good")
        assert faults == []
        house.app.state.watches.cut()


@pytest.mark.browser
@pytest.mark.parametrize("where", ["here", "in another tab"])
async def test_what_waits_for_a_sign_in_is_not_sent_as_somebody_else(
    house: House, browser: BrowserContext, where: str
) -> None:
    # Who has no session of any other test.
    ann, bob = house.key("ann"), house.key("bob-of-the-dialog")
    async with serve(house.app) as port:
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{port}/")
        await sign_in(page, ann.text)
        await expect(page.locator("#signed-in")).to_contain_text("ann")
        house.revoke(ann)
        await page.evaluate(SAY_AND_DRAFT, ["A secret of Ann's", "a draft"])
        await expect(page.get_by_role("dialog", name="Sign in again")).to_be_visible()

        # Also what the end of the page would cut off before the server has it.
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.post_data or ""))
        if where == "here":
            await sign_in(page, bob.text)
        else:
            other = await browser.new_page()
            await other.goto(f"http://127.0.0.1:{port}/guide")
            await other.evaluate(SIGN_IN, bob.text)
            await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.locator("#signed-in")).to_contain_text("bob")
        await expect(page.locator("#message")).to_have_value("")
        assert not [body for body in sent if "secret" in body]
        listed = await page.evaluate("fetch('/v1/sessions').then((answer) => answer.json())")
        assert listed["sessions"] == []
        house.app.state.watches.cut()


@pytest.mark.browser
async def test_without_authentication_nobody_is_asked(house: House, browser: BrowserContext) -> None:
    app = create_app(
        client=house.lab.client,
        live=house.lab.live,
        blobs=house.lab.parts.blobs,
        definitions=house.lab.parts.definitions,
        settings=house.lab.parts.settings,
    )
    async with serve(app) as port:
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{port}/")
        await expect(page.get_by_role("heading", name="Start a conversation")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.locator("#signed-in")).to_be_hidden()
