"""Messages on the chat page in real Chromium: while the agent works, while it asks, and once more after it is done."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import WAIT_MS, open_browser, say

pytestmark = [pytest.mark.server, pytest.mark.browser]

#: Goes on until it is stopped.
ENDLESS = Reply(text="and on and on", fault="stall", fault_after=3)
AGENT = """
name: assistant
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
busy: steer
tools: [calculator: {approval: always}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"assistant.yaml": AGENT}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[BrowserContext]:
    async with open_browser(chromium) as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: BrowserContext, dev: Any, provider: FakeProvider) -> AsyncIterator[Page]:
    """The chat page for a new user; a script error fails the test."""
    provider.reset()
    expect.set_options(timeout=WAIT_MS)
    opened = await browser.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    await opened.goto(dev.url)
    await opened.evaluate("localStorage.clear()")
    await opened.goto(f"{dev.url}/")
    yield opened
    await opened.close()
    assert errors == []


async def choose(page: Page, name: str) -> None:
    await page.locator("#busy").get_by_text(name, exact=True).click()


async def type_in(page: Page, text: str, key: str = "Enter") -> None:
    """Into the text box, which is not the only one while a message is edited."""
    await page.locator("#message").fill(text)
    await page.keyboard.press(key)


async def test_messages_wait_in_sight_and_are_edited_withdrawn_and_sent_at_once(
    page: Page, provider: FakeProvider
) -> None:
    provider.script(ENDLESS, Reply(text="At once."), Reply(text="In turn."))
    await say(page, "begin")
    await expect(page.locator(".answer")).to_contain_text("and on")
    await expect(page.get_by_role("radio", name="Steer")).to_be_checked()
    await choose(page, "Queue")
    for text in ("wait for me", "never mind", "hurry"):
        await type_in(page, text)
    rows = page.locator("#queue li")
    await expect(rows).to_have_count(3)
    await expect(page.locator(".queue-head")).to_contain_text("3 messages wait for this turn to end")
    await rows.nth(0).get_by_role("button", name="Edit this message").click()
    await page.get_by_label("Edit the message that waits").fill("wait for me, please")
    await page.keyboard.press("Enter")
    await expect(rows.nth(0)).to_contain_text("wait for me, please")
    await rows.nth(1).get_by_role("button", name="Withdraw").click()
    await expect(rows).to_have_count(2)
    await rows.nth(1).get_by_role("button", name="Send it now").click()

    await expect(page.locator(".outcome").first).to_contain_text("Interrupted by a newer message")
    await expect(page.locator(".user")).to_have_text(["begin", "hurry", "wait for me, please"])
    await expect(page.locator(".answer", has_text="In turn.")).to_be_visible()
    await expect(page.locator("#queue")).to_be_hidden()
    await expect(page.locator("#busy")).to_be_hidden()
    # What was said last comes back into the empty box.
    await page.locator("#message").press("ArrowUp")
    await expect(page.locator("#message")).to_have_value("wait for me, please")


async def test_keys_interrupt_and_stop(page: Page, provider: FakeProvider) -> None:
    provider.script(ENDLESS, ENDLESS, Reply(text="Here."))
    await say(page, "begin")
    await expect(page.locator(".answer")).to_contain_text("and on")
    await type_in(page, "the other account", "Control+Enter")
    await expect(page.locator(".outcome").first).to_contain_text("Interrupted by a newer message")
    await expect(page.locator(".answer")).to_have_count(2)
    await expect(page.locator(".answer").last).to_contain_text("and on")
    await page.keyboard.press("Escape")
    await expect(page.locator(".outcome").last).to_contain_text("Stopped.")
    await expect(page).to_have_title("begin · Perdure")


async def test_a_message_while_a_question_is_open_says_so_and_steers_past_it(
    page: Page, provider: FakeProvider
) -> None:
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)), Reply(text="The other one."))
    await say(page, "go")
    await expect(page.locator("form.card")).to_be_visible()
    await expect(page).to_have_title("Needs you · go · Perdure")
    await expect(page.locator("#announcement")).to_contain_text("calculator asks to run")
    await choose(page, "Queue")
    await type_in(page, "wait, the other account")
    await expect(page.locator(".queue-head")).to_contain_text("waits for your approval first")
    await page.get_by_role("button", name="Show it").click()
    await expect(page.get_by_role("button", name="Approve")).to_be_focused()
    await page.get_by_role("button", name="Withdraw").click()
    await expect(page.locator("#queue")).to_be_hidden()
    await choose(page, "Steer")
    await type_in(page, "the other account")
    await expect(page.locator(".settled")).to_have_text("Taken back: a newer message came instead")
    await expect(page.locator(".turn")).to_have_count(1)
    await expect(page.locator(".answer", has_text="The other one.")).to_be_visible()
