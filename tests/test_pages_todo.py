"""The agent's to-do list on the chat page in real Chromium: it appears, changes, survives a reload, and folds."""

import pytest
from playwright.async_api import Page, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import say

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

AGENT = """
name: assistant
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools: [todo]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"assistant.yaml": AGENT}


def todo(*statuses: str) -> Reply:
    texts = ("Look at the order", "Refund <b>the lamp</b>")
    items = [{"text": text, "status": status} for text, status in zip(texts, statuses, strict=True)]
    return Reply(text="", tools=(("todo", {"items": items}),))


async def test_a_list_appears_changes_and_is_there_after_a_reload(page: Page, provider: FakeProvider) -> None:
    provider.script(todo("doing", "pending"), Reply(text="Begun."))
    list_, rows = page.locator("#todo"), page.locator("#todo li")
    await expect(list_).to_be_hidden()
    await say(page, "mend my order")
    await expect(rows).to_have_text(["Look at the order (in progress)", "Refund <b>the lamp</b> (to do)"])
    await expect(list_.locator("summary")).to_have_text("To do: 0 of 2 done. Now: Look at the order")
    await expect(page.locator(".answer", has_text="Begun.")).to_be_visible()
    call = page.locator("details.tool")
    await expect(call.locator(".tool-name")).to_have_text("To-do list")
    await expect(call.locator(".tool-hint")).to_have_text("0 of 2 done. Now: Look at the order")
    await call.locator("summary").click()
    await expect(call.locator(".tool-body")).to_have_text(
        "Look at the order (in progress)Refund <b>the lamp</b> (to do)"
    )

    provider.script(todo("done", "doing"), todo("done", "done"), Reply(text="All done."))
    await say(page, "go on")
    await expect(list_.locator("summary")).to_have_text("To do: all 2 done")
    await list_.locator("summary").click()
    await expect(rows.first).to_be_hidden()

    await page.reload()
    await expect(rows).to_have_text(["Look at the order (done)", "Refund <b>the lamp</b> (done)"])

    provider.script(Reply(text="", tools=(("todo", {"items": []}),)), Reply(text="Cleared."))
    await say(page, "clear it")
    await expect(page.locator(".answer", has_text="Cleared.")).to_be_visible()
    await expect(list_).to_be_hidden()
