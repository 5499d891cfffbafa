"""The only worker is gone for a while: whoever waits is told, nothing is lost, and the word goes by itself."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from temporalio.api.workflowservice.v1 import ListWorkersRequest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from tests.support.apart import Apart, apart
from tests.support.browsing import chat_page, open_browser, say
from tests.support.session_client import Viewer, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

WORDS = " ".join(f"word{n}" for n in range(60))


async def told(viewer: Viewer, missing: list[str]) -> None:
    """Returns once the last that was said of workers is that so much is missing."""
    said: list[list[str]] = []
    while said[-1:] != [missing]:
        await viewer.until("workers.state", len(said) + 1)
        said = [frame.data["missing"] for frame in viewer.frames if frame.type == "workers.state"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Apart]:
    """Each test leaves everything running."""
    async with apart(tmp_path_factory.mktemp("away"), provider, 1) as everything:
        client = await connect(Settings(), address=everything.environment["TEMPORAL_ADDRESS"])
        # One that dies before its first heartbeat would be missed only once its last poll is over.
        while not (await client.workflow_service.list_workers(ListWorkersRequest(namespace="default"))).workers_info:
            pass
        yield everything


async def test_viewers_are_told_that_no_worker_is_there_and_that_one_is_back(
    running: Apart, provider: FakeProvider
) -> None:
    (sessions,) = running.sessions
    provider.default(lambda call: Reply(text=WORDS, gap=0.05))
    session = await sessions.create(message="tell me")
    async with sessions.view(session) as viewer:
        await viewer.until_streaming("word3 ")
        await running.worker.kill()
        await told(viewer, ["sessions"])
        # Whoever comes now is told, too, before the session itself can be asked.
        async with sessions.view(session) as late:
            await told(late, ["sessions"])
            assert late.durable == []
            await running.worker.start()
            for one in (viewer, late):
                await told(one, [])
        await viewer.until("turn.finished")
    assert texts((await sessions.snapshot(session))["messages"]) == [("user", "tell me"), ("assistant", WORDS)]


@pytest.mark.browser
async def test_the_page_keeps_a_message_while_no_worker_is_there(
    running: Apart, provider: FakeProvider, chromium: str
) -> None:
    provider.default(lambda call: Reply(text=f"Answer {len(call.body['messages'])}."))
    async with open_browser(chromium) as browser, chat_page(browser, running.urls[0]) as page:
        await say(page, "first")
        await expect(page.locator(".answer")).to_contain_text("Answer 1.")
        await running.worker.kill()
        word = page.locator("#workers")
        await expect(word).to_have_text(
            "No worker is running. What you send is kept, and answered as soon as one is back."
        )
        await say(page, "second")
        await expect(word).to_contain_text("No worker is running; your message is kept")
        await expect(page.get_by_text("Kept until a worker is running")).to_be_visible()
        # What is kept outlives the page.
        await page.reload()
        await expect(word).to_contain_text("No worker is running; your message is kept")
        await running.worker.start()
        await expect(page.locator(".answer").last).to_contain_text("Answer 3.")
        await expect(word).to_be_hidden()
        said = await page.locator("#transcript").inner_text()
        assert [said.count(words) for words in ("first", "second", "Answer 1.", "Answer 3.")] == [1] * 4
