"""The chat page and the inspector in real Chromium, against the whole of Perdure."""

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

WORDS = [f"word{number}" for number in range(100)]
LONG = Reply(text=" ".join(WORDS), gap=0.03)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[BrowserContext]:
    async with open_browser(chromium) as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: BrowserContext, dev: Any, provider: FakeProvider) -> AsyncIterator[Page]:
    """The chat page as a new user sees it; a request to another host or a script's error fails the test."""
    provider.reset()
    expect.set_options(timeout=WAIT_MS)
    opened = await browser.new_page()
    strangers: list[str] = []
    errors: list[str] = []
    opened.on("request", lambda request: strangers.append(request.url))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    await opened.goto(dev.url)
    await opened.evaluate("localStorage.clear()")
    await opened.goto(f"{dev.url}/")
    yield opened
    await opened.close()
    assert errors == []
    assert [url for url in strangers if not url.startswith((dev.url, "data:"))] == []


async def test_an_answer_streams_and_is_shown_once(page: Page, provider: FakeProvider) -> None:
    provider.script(LONG)
    await say(page, "tell me something")
    await expect(page.locator(".answer")).to_contain_text("word3")
    await expect(page.locator(".answer")).not_to_contain_text("word99", timeout=1)
    await expect(page.locator(".answer")).to_contain_text("word99")
    shown = await page.locator("body").inner_text()
    assert shown.count("word42") == 1
    assert shown.count("tell me something") >= 1
    await expect(page.locator("#stop")).to_be_hidden()


async def test_a_reload_in_mid_answer_finds_its_session_again(page: Page, provider: FakeProvider) -> None:
    provider.script(LONG)
    await say(page, "and on")
    await expect(page.locator(".answer")).to_contain_text("word5")
    await page.reload()
    await expect(page.locator(".user")).to_contain_text("and on")
    await expect(page.locator(".answer")).to_contain_text("word99")
    assert (await page.locator("body").inner_text()).count("word42") == 1


async def test_the_page_outlives_a_killed_server(page: Page, dev: Any, provider: FakeProvider) -> None:
    provider.script(LONG, LONG, Reply(text="Still here."))
    await say(page, "will you survive")
    await expect(page.locator(".answer")).to_contain_text("word5")
    await dev.kill(group=True)
    await say(page, "sent while it was away")
    await dev.start()
    await expect(page.locator("body")).to_contain_text("Still here.")
    shown = await page.locator("body").inner_text()
    assert shown.count("word42") == 1
    assert await page.locator(".user", has_text="sent while it was away").count() == 1


async def test_tools_show_their_input_and_output(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)), Reply(text="Forty-two."))
    await say(page, "six times seven")
    await expect(page.locator(".answer", has_text="Forty-two.")).to_be_visible()
    tool = page.locator("details.tool")
    await expect(tool).to_contain_text("calculator")
    await tool.locator("summary").click()
    await expect(tool).to_contain_text("6*7")
    await expect(tool).to_contain_text("42")


async def test_stop_keeps_what_had_come(page: Page, provider: FakeProvider) -> None:
    provider.script(LONG, Reply(text="Next."))
    await say(page, "on and on")
    await expect(page.locator(".answer")).to_contain_text("word5")
    await page.locator("#stop").click()
    await expect(page.locator("#stop")).to_be_hidden()
    await expect(page.locator(".answer").first).to_contain_text("word5")
    await expect(page.locator(".answer").first).not_to_contain_text("word99")
    await say(page, "go on")
    await expect(page.locator(".answer", has_text="Next.")).to_be_visible()


async def test_a_message_typed_before_the_page_knows_its_agents_goes_out(
    page: Page, dev: Any, provider: FakeProvider
) -> None:
    provider.script(Reply(text="I heard you."))
    known = asyncio.Event()

    async def held(route: Route) -> None:
        await known.wait()
        await route.continue_()

    await page.route("**/v1/agents", held)
    await page.goto(f"{dev.url}/")
    await say(page, "quick")
    await expect(page.get_by_role("textbox")).to_have_value("quick")
    known.set()
    await expect(page.locator(".answer")).to_contain_text("I heard you.")
    await expect(page.get_by_role("textbox")).to_have_value("")


async def test_hostile_text_is_text(page: Page, provider: FakeProvider) -> None:
    hostile = '<img src=x onerror="document.title=1"> **bold** [link](javascript:alert(1))'
    provider.script(Reply(text=hostile))
    await say(page, hostile)
    await expect(page.locator(".answer")).to_contain_text("<img src=x")
    assert await page.locator(".answer img, .user img, a[href^='javascript']").count() == 0


async def test_the_inspector_shows_turns_and_exact_prompts(page: Page, dev: Any, provider: FakeProvider) -> None:
    provider.script(Reply(text="An answer to inspect.", reasoning="A thought to keep."))
    await say(page, "inspect this question")
    await expect(page.locator(".answer", has_text="An answer to inspect.")).to_be_visible()
    session = page.url.partition("session=")[2]
    await page.goto(f"{dev.url}/sessions/{session}")
    await expect(page.locator("body")).to_contain_text("inspect this question")
    await expect(page.locator("body")).to_contain_text("claude-sonnet-5-5")
    await page.locator("button.row[data-step]").first.click()
    detail = page.locator("#detail")
    for shown in (
        "You are a helpful assistant",
        "inspect this question",
        "An answer to inspect.",
        "A thought to keep.",
    ):
        await expect(detail).to_contain_text(shown)


async def test_the_inspector_forks_a_session_from_a_turn(page: Page, dev: Any, provider: FakeProvider) -> None:
    for number in (1, 2):
        provider.script(Reply(text=f"Answer number {number}."))
        await say(page, f"question number {number}")
        await expect(page.locator(".answer", has_text=f"Answer number {number}.")).to_be_visible()
    session = page.url.partition("session=")[2]
    await page.goto(f"{dev.url}/sessions/{session}")
    await expect(page.locator(".turn")).to_have_count(2)

    await page.get_by_role("button", name="Fork from here").first.click()

    await expect(page.locator("#facts a")).to_have_text(f"{session}, t1")
    await expect(page.locator(".turn")).to_have_count(1)
    await expect(page.locator(".turn")).to_contain_text("question number 1")
    await page.locator("#facts a").click()
    await expect(page.locator(".turn")).to_have_count(2)
