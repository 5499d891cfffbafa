"""What is written and not sent yet, on the chat page in real Chromium: each session keeps its own."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import BrowserContext, FilePayload, Page, Route, expect

from tests.support.browsing import say

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

NOTES = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"Buy milk")
BLOCKED = """
for (const name of ['localStorage', 'sessionStorage'])
  Object.defineProperty(window, name, { get() { throw new DOMException('blocked', 'SecurityError'); } });
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"assistant.yaml": "name: assistant\ninstructions: Help.\nmodels: {m: {use: demo/one}}\nmodel: m\n"}


async def begun(page: Page, text: str) -> str:
    """The address of a new session."""
    await page.locator("#new-chat").click()
    await say(page, text)
    await expect(page.locator(".answer").first).to_be_visible()
    await expect(page.locator("#stop")).to_be_hidden()
    return page.url


async def leave_for(page: Page, text: str) -> None:
    await page.locator("#sessions").get_by_role("link", name=text).click()
    await expect(page.locator(".user")).to_contain_text(text)


async def test_a_draft_and_its_files_stay_with_their_session(page: Page) -> None:
    await begun(page, "apples")
    await begun(page, "pears")
    await page.locator("#message").fill("about pears")
    await page.locator("#file-input").set_input_files(NOTES)
    await expect(page.locator("#attachments li")).to_have_attribute("data-state", "ready")

    await leave_for(page, "apples")
    await expect(page.locator("#message")).to_have_value("")
    await expect(page.locator("#attachments")).to_be_hidden()
    await page.locator("#message").fill("about apples")

    await leave_for(page, "pears")
    for _ in range(2):
        await expect(page.locator("#message")).to_have_value("about pears")
        await expect(page.locator("#attachments li")).to_contain_text("notes.txt")
        await page.reload()
    await leave_for(page, "apples")
    await expect(page.locator("#message")).to_have_value("about apples")


async def test_a_message_that_waits_for_its_file_goes_to_no_other_session(page: Page) -> None:
    go_on = asyncio.Event()

    async def hold(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await begun(page, "plums")
    await begun(page, "cherries")
    await page.route("**/v1/files*", hold)
    await page.locator("#message").fill("for cherries only")
    await page.locator("#file-input").set_input_files(NOTES)
    await page.locator("#message").press("Enter")

    await leave_for(page, "plums")
    async with page.expect_response("**/v1/files*") as uploaded:
        go_on.set()
    assert (await uploaded.value).ok
    await say(page, "and more plums")
    await expect(page.locator(".answer")).to_have_count(2)
    assert "cherries" not in await page.locator("#transcript").inner_text()

    await leave_for(page, "cherries")
    await expect(page.locator("#message")).to_have_value("for cherries only")
    await expect(page.locator("#attachments li")).to_contain_text("notes.txt")
    await page.locator("#message").press("Enter")
    await expect(page.locator(".user").nth(1)).to_contain_text("for cherries only")


async def test_of_a_folder_the_page_says_that_it_cannot_be_added(page: Page, dev: Any) -> None:
    (dev.data_dir / "notes.txt").write_text("Buy milk")
    given = {
        "items": [],
        "files": [str(dev.data_dir / one) for one in ("agents", "notes.txt")],
        "dragOperationsMask": 1,
    }
    await expect(page.locator("#agent")).to_be_visible()
    driver = await page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        await driver.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 300, "data": given})

    await expect(page.locator("#notice")).to_contain_text("A folder cannot be added.")
    await expect(page.locator("#attachments li")).to_have_count(1)
    await expect(page.locator("#attachments li")).to_contain_text("notes.txt")


async def test_a_browser_that_keeps_nothing_still_chats(browser: BrowserContext, dev: Any) -> None:
    assert browser.browser is not None
    context = await browser.browser.new_context()
    await context.add_init_script(BLOCKED)
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{dev.url}/")
    await say(page, "hello")
    await expect(page.locator(".answer")).to_be_visible()
    await page.reload()
    await expect(page.locator(".user")).to_contain_text("hello")
    await page.locator("#inspector").click()
    await expect(page.locator(".turn")).to_be_visible()
    assert errors == []
    await context.close()
