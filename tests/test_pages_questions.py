"""What a session asks, on the pages in real Chromium: approvals, forms, client tools, and people who come second."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from temporal.app.fake_provider import FakeProvider
from temporal.app.fake_replies import Reply
from tests.browsing import WAIT_MS, open_browser, say

pytestmark = [pytest.mark.server, pytest.mark.browser]

AGENT = """
name: assistant
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools:
  - calculator: {approval: {when: "{{ args.expression != '1+1' }}", expires: 3d}}
  - ask_user
  - client:
      name: pick_color
      description: Lets the user pick
      output: {type: object, properties: {hex: {type: string}}, required: [hex]}
"""
FIELDS = [
    {"name": "full_name", "type": "text", "required": True},
    {"name": "age", "type": "number"},
    {"name": "size", "type": "choice", "options": ["small", "large"], "required": True},
    {"name": "gift", "label": "Is it a gift?", "type": "boolean"},
    {"name": "day", "type": "date"},
]


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"assistant.yaml": AGENT}


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


async def asked(page: Page, provider: FakeProvider, *tools: tuple[str, dict[str, Any]]) -> Locator:
    """The card of the first question of a turn in which the model calls `tools`."""
    provider.script(calls(*tools), Reply(text="All done."))
    await say(page, "go")
    card = page.locator("form.card").first
    await expect(card).to_be_visible()
    return card


def button(where: Page | Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


async def test_approve_after_a_reload_and_a_killed_server(page: Page, dev: Any, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    await expect(card).to_contain_text("calculator asks to run")
    await expect(card).to_contain_text("6*7")
    await expect(card).to_contain_text("expires in 3 days")
    await expect(page.locator("#sessions")).to_contain_text("Waiting for an answer")
    await page.reload()
    await expect(card).to_contain_text("6*7")
    await dev.kill(group=True)
    await button(card, "Approve").click()
    await expect(card).to_contain_text("trying again")
    await dev.start()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    await expect(page.locator(".settled")).to_have_text("Approved")
    await expect(page.locator("details.tool")).to_have_attribute("data-state", "done")


async def test_deny_with_a_reason_by_keyboard(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    await button(card, "Approve").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Not today")
    await page.keyboard.press("Enter")
    await expect(card).to_be_visible()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".settled")).to_have_text("Denied: Not today")
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    assert "Not today" in str(provider.calls[-1].body)


async def test_edit_and_several_at_once_and_remember(page: Page, dev: Any, provider: FakeProvider) -> None:
    first = ("calculator", {"expression": "6*7"})
    card = await asked(
        page, provider, first, ("calculator", {"expression": "2*2"}), ("calculator", {"expression": "1+1"})
    )
    await expect(page.locator("form.card")).to_have_count(2)
    await button(card, "Edit").click()
    await card.get_by_label("expression").fill("")
    await button(card, "Approve with these").click()
    await expect(card).to_contain_text("args.expression: ")
    await card.get_by_label("expression").fill("10*10")
    await button(card, "Approve with these").click()
    await expect(page.locator(".settled")).to_have_text("Approved, with changed arguments")
    await card.get_by_label("Allow this tool").check()
    await button(card, "Approve").click()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    tool = page.locator("details.tool").first
    await tool.locator("summary").click()
    await expect(tool).to_contain_text("100")
    await expect(tool).to_contain_text("Input as the model wrote it")
    provider.script(calls(("calculator", {"expression": "7*7"})), Reply(text="Not asked again."))
    await say(page, "once more")
    await expect(page.locator(".answer", has_text="Not asked again.")).to_be_visible()
    await page.goto(f"{dev.url}/sessions/{page.url.partition('session=')[2]}")
    await expect(page.locator("[data-kind=ask]")).to_have_count(2)
    await expect(page.locator("#timeline")).to_contain_text("Approved, with changed arguments")


async def test_who_comes_second_is_told(page: Page, browser: BrowserContext, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    second = await browser.new_page()
    await second.goto(page.url)
    held: asyncio.Queue[Route] = asyncio.Queue()
    await second.route("**/answers", held.put)
    await button(second.locator("form.card"), "Deny").click()
    route = await held.get()
    await button(card, "Approve").click()
    await expect(page.locator(".settled")).to_have_text("Approved")
    await route.continue_()
    await expect(second.locator(".asked .note")).to_have_text("Somebody else has answered already.")
    await expect(second.locator(".settled")).to_have_text("Approved")
    await second.close()


async def test_an_answer_that_failed_can_be_repeated(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    await page.route("**/answers", lambda route: route.fulfill(status=500, body="{}"), times=1)
    await button(card, "Approve").click()
    await expect(card).to_contain_text("You can try again.")
    await button(card, "Approve").click()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()


async def test_a_form_for_the_user(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("ask_user", {"prompt": "Who gets the parcel?", "fields": FIELDS}))
    await expect(card).to_contain_text("Who gets the parcel?")
    await button(card, "Send").click()
    await expect(card.get_by_label("full name")).to_be_focused()
    await card.get_by_label("full name").fill("Ada")
    await card.get_by_label("age").fill("36")
    await card.get_by_label("large").check()
    await card.get_by_label("No", exact=True).check()
    await card.get_by_label("day").fill("2026-02-03")
    await button(card, "Send").click()
    await expect(page.locator(".settled")).to_have_text("Answered")
    await expect(page.locator(".asked .values")).to_contain_text("Ada")
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    told = str(provider.calls[-1].body)
    for part in ("Ada", "36", "large", "false", "2026-02-03"):
        assert part in told


async def test_any_other_client_tool_takes_json(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("pick_color", {"palette": ["red"]}), ("ask_user", {"prompt": "Why?"}))
    await expect(card).to_contain_text("palette")
    await card.get_by_label("Result").fill("blue")
    await button(card, "Send").click()
    await expect(card).to_contain_text("is not of type 'object'")
    await card.get_by_label("Result").fill('{"hex": "#00f"}')
    await button(card, "Send").click()
    await expect(page.locator(".settled")).to_have_count(1)
    await expect(card).to_contain_text("Why?")
    await button(card, "Decline").click()
    await expect(page.locator(".settled").last).to_have_text("Declined")
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
