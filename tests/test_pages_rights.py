"""What the pages offer to people who may not do everything, in real Chromium."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import BROWSER, EVERYTHING, OF_A_USER
from tests.support.browsing import WAIT_MS, open_browser, session_of, type_in
from tests.support.serving import serve
from tests.support.session_lab import Lab, Play, lab_on
from tests.support.signed_in import House, house_on, sign_in

pytestmark = [pytest.mark.server, pytest.mark.browser]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("rights")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def house(lab: Lab, tmp_path: Path) -> House:
    return house_on(lab, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[BrowserContext]:
    expect.set_options(timeout=WAIT_MS)
    async with open_browser(chromium) as context:
        yield context


async def signed_in(browser: BrowserContext, address: str, key: str) -> Page:
    page = await browser.new_page()
    await page.goto(address)
    await sign_in(page, key)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    return page


async def started(page: Page) -> str:
    """The id of a session with one turn, whose answer is `Good morning.`"""
    await page.get_by_role("radio", name="slow").check()
    await type_in(page, "Hello")
    await expect(page.locator("#transcript")).to_contain_text("Good morning.")
    return session_of(page)


async def test_without_the_right_to_read_agents_a_page_says_so(house: House, browser: BrowserContext) -> None:
    key = house.key("ann", scopes=tuple(scope for scope in OF_A_USER if scope != "agents:read"))
    async with serve(house.app) as port:
        page = await browser.new_page()
        await page.clock.install()
        asked: list[str] = []
        await page.goto(f"http://127.0.0.1:{port}/")
        await sign_in(page, key.text)
        welcome = page.locator("#welcome")
        await expect(welcome).to_contain_text("You cannot start a conversation here")
        await expect(welcome).to_contain_text("Ask whoever gave you the key or token for agents:read.")
        await expect(page.locator("#message")).to_be_disabled()
        page.on("request", lambda request: asked.append(request.url))
        async with page.expect_request("**/v1/sessions**"):
            await page.clock.run_for(20_000)
        assert not [url for url in asked if url.endswith("/v1/agents")]
        house.app.state.watches.cut()


async def test_a_token_of_one_session_leads_back_to_it(house: House, browser: BrowserContext) -> None:
    ann = house.key("ann")
    house.lab.stage.plays = [Play("Good morning."), Play("Good evening.")]
    tokens = house.authentication.tokens
    assert tokens is not None
    async with serve(house.app) as port:
        page = await signed_in(browser, f"http://127.0.0.1:{port}/", ann.text)
        session = await started(page)
        backend = Principal("lab", None, EVERYTHING, actor=f"key:{house.key(None).kept.id}")
        token = tokens.mint(backend, session, "ann", BROWSER, 600).text
        await page.get_by_role("button", name="Sign out").click()
        await sign_in(page, token)
        await expect(page.locator("#transcript")).to_contain_text("Good morning.")
        await page.get_by_role("button", name="New chat").click()
        await expect(page.locator("#welcome")).to_contain_text("Your sign-in is for one conversation")
        await page.get_by_role("link", name="Go to your conversation").click()
        await type_in(page, "Good night")
        await expect(page.locator("#transcript")).to_contain_text("Good evening.")
        house.app.state.watches.cut()


@pytest.mark.slow
async def test_what_somebody_may_not_do_is_not_offered(house: House, browser: BrowserContext) -> None:
    ann, reader, bob = house.key("ann"), house.key("ann", scopes=("session:read",)), house.key("bob")
    backend = house.key(None, note="the shop's backend")
    house.lab.stage.plays = [Play("Good morning.")]
    async with serve(house.app) as port:
        url = f"http://127.0.0.1:{port}"
        page = await signed_in(browser, f"{url}/", ann.text)
        session = await started(page)
        fork = page.get_by_role("button", name="Fork the session from here")
        again = page.get_by_role("button", name="Answer again")
        await expect(again).to_be_visible()
        await expect(fork).to_have_count(0)

        inspector = await browser.new_page()
        await inspector.goto(f"{url}/sessions/{session}")
        await inspector.locator("button.row").click()
        detail = inspector.locator("#detail")
        await expect(detail).to_contain_text("is for people whose sign-in has the scope session:trace")
        await expect(detail).not_to_contain_text("The prompt as it was sent")
        await expect(inspector.get_by_role("button", name="Fork from here")).to_be_hidden()

        # Somebody else's link.
        other = await browser.new_page()
        await page.get_by_role("button", name="Sign out").click()
        await sign_in(page, bob.text)
        await expect(page.locator("#signed-in")).to_contain_text("bob")
        await inspector.close()
        for place, where in ((f"{url}/sessions/{session}", "#connection"), (f"{url}/chat/{session}", "#missing")):
            await other.goto(place)
            await expect(other.locator(where)).to_contain_text("This session is not here any more, or is not yours")

        await page.get_by_role("button", name="Sign out").click()
        await sign_in(page, reader.text)
        await expect(page.locator("#signed-in")).to_contain_text("ann")
        await page.goto(f"{url}/chat/{session}")
        await page.reload()
        await expect(page.locator("#transcript")).to_contain_text("Good morning.")
        await expect(page.locator("#message")).to_have_attribute("placeholder", "You may not write here")
        await expect(again).to_have_count(0)
        await expect(page.get_by_role("button", name="Good answer")).to_have_count(0)

        # Who may do more is offered it.
        await page.get_by_role("button", name="Sign out").click()
        await sign_in(page, backend.text)
        await expect(page.locator("#signed-in .who")).to_have_text("the shop's backend")
        await page.goto(f"{url}/chat/{session}")
        await page.reload()
        await expect(fork).to_be_visible()
        inspector = await browser.new_page()
        await inspector.goto(f"{url}/sessions/{session}#step=t1.s1")
        detail = inspector.locator("#detail")
        await expect(detail).to_contain_text("The prompt as it was sent")
        await expect(inspector.get_by_role("button", name="Fork from here")).to_be_visible()
        house.app.state.watches.cut()
