"""The chat page's list of sessions in real Chromium: what each does, search, names, a drawer on phones."""

import re
from typing import Any

import httpx2
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.accessibility import grave_faults
from tests.support.browsing import say, session_of

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

_HEAD = "models: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main"
ASKS = Reply(text="", tools=(("calculator", {"expression": "6*7"}),))


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"clerk.yaml": f"name: clerk\n{_HEAD}\ninstructions: Count.\ntools: [calculator: {{approval: always}}]"}


def row(page: Page, words: str) -> Locator:
    return page.locator("#sessions li", has_text=words)


async def begun(http: httpx2.AsyncClient, message: str, agent: str = "assistant") -> str:
    """The id of a session whose first turn is over, or waits for a person."""
    made = (await http.post("/v1/sessions", json={"agent": agent})).json()["session_id"]
    await http.post(f"/v1/sessions/{made}/messages?wait=30", json={"text": message}, timeout=40)
    return str(made)


async def test_the_list_tells_what_each_session_does(
    page: Page, browser: BrowserContext, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(Reply(text="Fine."), Reply(status=400, message="no such thing"), ASKS)
    done, failed = await begun(http, "How are you?"), await begun(http, "Break, please")
    await begun(http, "Count for me", "clerk")

    await page.goto(f"{dev.url}/chat/{done}")
    needs = page.get_by_role("region", name="Needs you")
    await expect(needs.get_by_role("listitem")).to_contain_text(["Count for me"])
    await expect(needs).to_contain_text("Waiting for an answer · clerk")
    await expect(row(page, "Break, please")).to_contain_text("Failed · assistant")
    await expect(page.get_by_role("region", name="Today")).to_contain_text("How are you?")
    await expect(page.locator("#sessions")).not_to_contain_text("$")
    assert await grave_faults(page, "the list of sessions") == []

    # One by one with the arrow keys; where it is answered, it leaves its place at once.
    await row(page, "Count for me").get_by_role("link").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page).to_have_title(re.compile("^Needs you · Count for me"))
    provider.script(Reply(text="It is 42."))
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(needs).to_have_count(0)
    await expect(page).to_have_title("Count for me · Perdure")

    # A session that was just left is still there, with what it has come to.
    await page.get_by_role("button", name="New chat").click()
    provider.script(Reply(text=" ".join(["word"] * 60), gap=0.03))
    await say(page, "Say much")
    await expect(page.locator(".answer")).to_contain_text("word word")
    await page.get_by_role("button", name="New chat").click()
    await expect(row(page, "Say much")).to_contain_text("Working")
    await expect(row(page, "Say much")).not_to_contain_text("Working")

    # A fork bears the title of its source, and a mark.
    forked = await http.post(f"/v1/sessions/{done}/fork", json={"turn_id": "t1"})
    await page.goto(f"{dev.url}/chat/{forked.json()['session_id']}")
    await expect(page.locator("#sessions li:has([aria-current])")).to_contain_text("Fork · assistant")
    await page.goto(f"{dev.url}/chat/{failed}")
    await expect(row(page, "How are you?")).to_have_count(2)


async def test_a_session_is_renamed_found_and_closed(page: Page, dev: Any, provider: FakeProvider) -> None:
    provider.script(Reply(text="Good morning."))
    await say(page, "Good morning to you")
    await expect(page.locator(".answer")).to_contain_text("Good morning.")
    session = session_of(page)
    mine = page.locator(f"#sessions li[data-session='{session}']")
    await mine.hover()
    await mine.get_by_role("button", name="Rename or close Good morning to you").click()
    assert await grave_faults(page, "the menu of a session") == []
    await page.get_by_role("button", name="Rename", exact=True).click()
    await page.get_by_role("textbox", name="New name").fill("مرحبا Résumé")
    await page.keyboard.press("Enter")
    await expect(mine).to_contain_text("مرحبا Résumé")
    await expect(page).to_have_title("مرحبا Résumé · Perdure")
    await page.reload()
    await expect(page).to_have_title("مرحبا Résumé · Perdure")

    await page.keyboard.press("Control+k")
    search = page.get_by_role("searchbox", name="Search sessions")
    await search.fill("resume")
    await expect(page.locator("#sessions li")).to_have_count(1)
    await expect(mine).to_be_visible()
    assert await grave_faults(page, "the search") == []
    await search.fill("no such session")
    await expect(page.locator("#search-state")).to_have_text("Nothing found.")
    await page.keyboard.press("Escape")
    await expect(search).to_be_hidden()
    await expect(page.get_by_role("textbox")).to_be_focused()

    await mine.hover()
    await mine.get_by_role("button", name="Rename or close").click()
    await page.get_by_role("button", name="Close…").click()
    await page.get_by_role("button", name="Close it").click()
    await expect(page.locator("#message")).to_have_attribute("placeholder", "This session is closed")
    await expect(mine.get_by_role("button")).to_be_hidden()


async def test_on_a_phone_the_list_is_a_drawer_that_holds_the_focus(page: Page, provider: FakeProvider) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    provider.script(Reply(text="Hello."))
    await say(page, "Hello from a phone")
    await expect(page.locator(".answer")).to_contain_text("Hello.")
    await page.get_by_role("button", name="Show the sessions").click()
    drawer = page.get_by_role("dialog", name="Sessions")
    await expect(drawer).to_be_visible()
    assert await grave_faults(page, "the drawer of sessions") == []
    for _ in range(30):
        await page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || document.activeElement.closest('#sidebar') !== null"
        assert await page.evaluate(inside)
    await page.keyboard.press("Escape")
    await expect(drawer).to_have_count(0)
    await expect(page.get_by_role("button", name="Show the sessions")).to_be_focused()
    await page.keyboard.press("Control+Shift+O")
    await expect(page.locator("#welcome")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_word_is_found_that_the_page_has_not_loaded_yet(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(*(Reply(text=f"Answer {number}.") for number in range(60)))
    session = await begun(http, "The first Needle is here")
    for number in range(59):
        words = "Another needle" if number == 57 else f"Hay {number}"
        await http.post(f"/v1/sessions/{session}/messages?wait=30", json={"text": words}, timeout=40)
    await page.goto(f"{dev.url}/chat/{session}")
    await expect(page.locator(".answer", has_text="Answer 59.")).to_be_visible()
    assert await page.locator(".turn").count() < 60

    await page.keyboard.press("Control+Shift+F")
    await page.get_by_role("searchbox", name="Words to find").fill("needle")
    state = page.locator("#find-state")
    await expect(state).to_have_text("1 of 2")
    await expect(page.get_by_text("Another needle")).to_be_in_viewport()
    assert await grave_faults(page, "the search in a session") == []
    await page.keyboard.press("Enter")
    await expect(state).to_have_text("2 of 2")
    await expect(page.locator(".user", has_text="The first Needle is here")).to_be_in_viewport()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("textbox")).to_be_focused()
