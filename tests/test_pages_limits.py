"""What people at the chat page and in the terminal see of a limit: a word, and then their answer."""

from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Page, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import say
from tests.support.chat_command import PipedChat
from tests.support.dev import Dev
from tests.support.session_client import Sessions

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

STALLS = Reply(text="one two three four", fault="stall")


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_TURNS_PER_TENANT": "1",
    }


async def busy_session(sessions: Sessions, provider: FakeProvider) -> str:
    provider.script(STALLS, Reply(text="Here you are."))
    session = await sessions.create(message={"text": "count"})
    async with sessions.view(session) as viewer:
        await viewer.until_streaming("two")
    return session


async def test_the_page_says_that_there_are_too_many_and_goes_on(
    page: Page, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    busy = await busy_session(Sessions(http), provider)
    await say(page, "a long thought")
    state = page.locator(".pending-state")
    await expect(state).to_have_text("Too many sessions are at work, trying again in 2 s")
    await expect(page.locator("body")).to_contain_text("a long thought")
    await http.post(f"/v1/sessions/{busy}/stop", json={})
    await expect(page.locator(".answer")).to_contain_text("Here you are.")
    assert await page.locator(".user", has_text="a long thought").count() == 1


async def test_the_terminal_says_that_there_are_too_many_and_goes_on(
    dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, tmp_path: Path
) -> None:
    sessions = Sessions(http)
    busy = await busy_session(sessions, provider)
    async with PipedChat(tmp_path, dev.url) as chat:
        await chat.type("a long thought")
        await chat.until("(too many sessions are at work; trying again in 2 s)")
        await http.post(f"/v1/sessions/{busy}/stop", json={})
        await chat.until("Here you are.")
        assert await chat.end() == 0
    found = await sessions.snapshot(chat.session)
    assert [message["role"] for message in found["messages"]] == ["user", "assistant"]
