"""Sub-agents on the pages in real Chromium: at work inside their call, what they ask, and where their sessions are shown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from temporal.app.fake_provider import FakeProvider
from temporal.app.fake_replies import Reply
from tests.browsing import WAIT_MS, open_browser, say

pytestmark = [pytest.mark.server, pytest.mark.browser]

_HEAD = "models: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main"
ENDLESS = Reply(text=" ".join(f"word{number}" for number in range(20)), fault="stall", fault_after=16)
LONG_ARGUMENT = "+".join(["1"] * 400)


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "assistant.yaml": f"name: assistant\n{_HEAD}\ninstructions: Boss.\ntools: [agent: {{name: helper}}]",
        "helper.yaml": f"name: helper\n{_HEAD}\ninstructions: Help.\ntools: [ask_user, agent: {{name: writer}}]",
        "writer.yaml": f"name: writer\n{_HEAD}\ninstructions: Write.\ntools: [calculator: {{approval: always}}]",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[BrowserContext]:
    async with open_browser(chromium) as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: BrowserContext, dev: Any, provider: FakeProvider) -> AsyncIterator[Page]:
    """The chat page as a new user sees it; a script's error fails the test."""
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


def calls(*tools: tuple[str, dict[str, Any]]) -> Reply:
    return Reply(text="", tools=tools)


def asks(name: str, message: str) -> Reply:
    return calls((name, {"message": message}))


async def test_it_is_seen_at_work_and_folded_when_it_is_stopped(page: Page, provider: FakeProvider) -> None:
    provider.script(asks("helper", "Tell a tale"), asks("writer", "Write it"), ENDLESS)
    await say(page, "go")
    agents = page.locator("details.agent")
    writing = agents.nth(1).locator(".work")
    await expect(writing).to_contain_text(" word7")
    await page.reload()
    await expect(writing).to_contain_text("word0 word1 ")
    await expect(agents.nth(1)).to_have_attribute("open", "")
    await expect(agents.first.locator(".task").first).to_contain_text("Tell a tale")

    await page.locator("#stop").click()

    await expect(page.locator("#stop")).to_be_hidden()
    await expect(agents.first).not_to_have_attribute("open", "")
    await expect(agents.first.locator("> summary")).to_contain_text("Failed")
    await expect(agents.first.locator("> summary")).to_contain_text("$")


async def test_one_that_is_over_is_read_when_it_is_unfolded(page: Page, provider: FakeProvider) -> None:
    provider.script(asks("helper", "Tell a tale"), asks("writer", "Write it"), Reply(text="Once upon a time."))
    provider.script(Reply(text="It is told."), Reply(text="All done."))
    await say(page, "go")
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    await page.reload()
    agents = page.locator("details.agent")
    await expect(agents).to_have_count(1)
    await agents.first.locator("> summary").click()
    await expect(agents.first).to_contain_text("It is told.")
    await agents.nth(1).locator("> summary").click()
    await expect(agents.nth(1).locator(".work")).to_have_text("Once upon a time.")

    # Its session is none of the list until it is the open one.
    entry = page.locator("#sessions li", has_text="Tell a tale")
    await expect(entry).to_have_count(0)
    await page.get_by_role("link", name="Open its session").last.click()
    await expect(page.locator("#facts")).to_contain_text("Called by")
    await page.locator("#chat").click()
    await expect(entry).to_have_attribute("data-below", "")
    await page.get_by_role("link", name="Caller").click()
    await expect(page.locator(".user").first).to_have_text("go")
    await expect(entry).to_have_count(0)


async def test_what_it_asks_is_answered_in_its_callers_chat(
    page: Page, browser: BrowserContext, dev: Any, provider: FakeProvider
) -> None:
    form = {"prompt": "Which year?", "fields": [{"name": "year", "type": "number"}]}
    count = calls(("calculator", {"expression": LONG_ARGUMENT}), ("calculator", {"expression": "2*2"}))
    provider.script(asks("helper", "Count"), asks("writer", "Count"), count, Reply(text="Counted."))
    provider.script(calls(("ask_user", form)), Reply(text="Asked."), Reply(text="All done."))
    await page.set_viewport_size({"width": 380, "height": 900})
    await say(page, "go")
    card = page.locator("form.card")
    await expect(card).to_have_count(2)
    await expect(card.first).to_contain_text("helper › writer asks")
    await expect(page.locator("#sessions")).to_contain_text("Waiting for an answer")
    await expect(page.locator(".turn-footer")).to_have_text("Waits for an answer")
    assert await page.evaluate("document.querySelector('#scroll').scrollWidth <= innerWidth")
    await page.reload()
    second = await browser.new_page()
    await second.goto(page.url)
    held: asyncio.Queue[Route] = asyncio.Queue()
    await second.route("**/answers", held.put)
    await second.get_by_role("button", name="Deny").first.click()
    late = await held.get()
    await page.bring_to_front()

    # Long arguments can be read and changed.
    await card.first.locator("summary").click()
    await expect(card.first.locator(".folded > .long")).to_have_text(LONG_ARGUMENT)
    await card.first.get_by_role("button", name="Edit").click()
    await card.first.get_by_label("expression").fill("6*7")
    await card.first.get_by_role("button", name="Approve with these").click()
    await expect(page.locator(".settled", has_text="helper › writer, calculator")).to_contain_text("changed arguments")
    await late.continue_()
    await expect(second.locator(".asked .note")).to_have_text("Somebody else has answered already.")
    await second.close()
    await card.get_by_label("Reason, if you deny").fill("Not today")
    await card.get_by_role("button", name="Deny").click()

    await expect(card).to_contain_text("Which year?")
    await expect(card).to_contain_text("helper asks")
    chat, session = page.url, page.url.partition("session=")[2]
    await page.goto(f"{dev.url}/sessions/{session}")
    waits = page.locator("[data-kind=ask]")
    await expect(waits).to_contain_text(["changed arguments", "Denied: Not today", "Waits for an answer"])
    link = page.get_by_role("link", name="Session of helper")
    await expect(link).to_have_attribute("href", f"/sessions/{session}~t1.s1.c1")
    await page.goto(chat)
    await card.get_by_label("year").fill("1999")
    await card.get_by_role("button", name="Send").click()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    heard = [str(call.body["messages"][-1]) for call in provider.calls]
    assert "42" in heard[3]
    assert "Not today" in heard[3]
    assert "1999" in heard[5]
