"""A provider that is dead, or dies in mid-answer, is survived in the browser: what another model says is shown once."""

from collections.abc import Callable

import pytest
from playwright.async_api import Page, expect

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import say

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

AGENT = """
name: assistant
models:
  main: {{use: anthropic/first, base_url: "{url}", fallback: [other]}}
  other: {{use: openai-chat/second, base_url: "{url}/v1"}}
model: main
instructions: Be brief.
"""
WORDS = [f"word{number}" for number in range(30)]
WELL = Reply(text=" ".join(WORDS), gap=0.03)


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    return {"assistant.yaml": AGENT.format(url=provider.url)}


def replies(first: Reply) -> Callable[[Call], Reply]:
    return lambda call: first if call.body["model"] == "first" else WELL


@pytest.mark.parametrize(
    "first",
    [Reply(status=529), Reply(text="lost1 lost2 lost3 lost4", gap=0.1, fault="fin", fault_after=3)],
    ids=["dead", "dies in mid-answer"],
)
async def test_a_dead_provider_is_survived(page: Page, provider: FakeProvider, first: Reply) -> None:
    provider.default(replies(first))
    await say(page, "hello")
    await expect(page.locator(".answer")).to_contain_text("word29")
    await expect(page.locator("#stop")).to_be_hidden()
    shown = await page.locator("body").inner_text()
    assert [shown.count(f"{word} ") for word in WORDS[:-1]] == [1] * 29
    assert "lost" not in shown
    await page.reload()
    await expect(page.locator(".answer")).to_contain_text("word29")
    shown = await page.locator("body").inner_text()
    assert (shown.count("word28 "), "lost" in shown) == (1, False)
