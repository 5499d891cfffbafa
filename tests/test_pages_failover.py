"""A provider that is dead, or dies in mid-answer, is survived in the browser: what another model says is shown once."""

import asyncio
import re
from collections.abc import Callable

import httpx2
import pytest
from playwright.async_api import Page, expect

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import say
from tests.support.dev import Dev

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
    alone = AGENT.format(url=provider.url).replace(", fallback: [other]", "").replace("assistant", "alone")
    return {"assistant.yaml": AGENT.format(url=provider.url), "alone.yaml": alone}


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


async def test_trouble_with_a_provider_is_told_while_it_lasts_and_afterwards(
    page: Page, dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    well = asyncio.Event()
    provider.default(lambda call: WELL if well.is_set() else Reply(status=529))
    made = await http.post("/v1/sessions", json={"agent": "alone", "message": "hello"})
    await page.goto(f"{dev.url}/#session={made.json()['session_id']}")
    trouble = page.locator(".trouble")
    await expect(trouble).to_contain_text("Anthropic is overloaded (529)")
    await expect(trouble).to_contain_text(re.compile(r"anthropic/first: attempt \d+ (begins in \d+ s|is under way)"))
    await page.reload()
    await expect(trouble).to_contain_text("Anthropic is overloaded (529)")
    well.set()
    await expect(page.locator(".answer")).to_contain_text("word29")
    await expect(trouble).to_have_count(0)
    await expect(page.locator(".survived")).to_contain_text("Waited out, and answered at attempt")
