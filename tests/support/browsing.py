"""Drives the pages in tests: one quiet Chromium, and a person's message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import BrowserContext, Page, async_playwright

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


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")
