"""Drives the pages in tests: one quiet Chromium, the chat page of a new user, and a person's message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote, urlsplit

from playwright.async_api import BrowserContext, Page, async_playwright, expect

QUIET: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WAIT_MS: Final = 30_000


@asynccontextmanager
async def open_browser(chromium: str, *arguments: str) -> AsyncIterator[BrowserContext]:
    """`chromium` is the program's path, `arguments` go to its command line."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=[*QUIET, *arguments])
        context = await running.new_context()
        context.set_default_timeout(WAIT_MS)
        yield context
        await running.close()


@asynccontextmanager
async def chat_page(browser: BrowserContext, url: str) -> AsyncIterator[Page]:
    """The chat page of `perdure dev` at `url`, for a new user. A script error, a breach of its security policy and a request
    to another host fail the test."""
    expect.set_options(timeout=WAIT_MS)
    page = await browser.new_page()
    strangers: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: strangers.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
    await page.goto(url)
    await page.evaluate("localStorage.clear()")
    await page.goto(f"{url}/")
    yield page
    await page.close()
    assert errors == []
    assert [one for one in strangers if not one.startswith((url, "data:"))] == []


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")


def session_of(page: Page) -> str:
    """The id of the session that the chat page shows, as its address has it."""
    return unquote(urlsplit(page.url).path.removeprefix("/chat/"))


async def choose(page: Page, name: str) -> None:
    """What the next message does while the agent works."""
    await page.locator("#busy").get_by_text(name, exact=True).click()


async def type_in(page: Page, text: str, key: str = "Enter") -> None:
    """Into the text box, which is not the only one while a message is edited."""
    await page.locator("#message").fill(text)
    await page.keyboard.press(key)
