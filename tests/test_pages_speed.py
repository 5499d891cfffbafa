"""The chat page under load, in real Chromium. What is asserted is counted work, for times are those of a machine:
`pytest -m slow -n 0 -s tests/test_pages_speed.py` prints the times as well, of the page's main thread alone."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, CDPSession, Page, Request, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.browsing import WAIT_MS
from tests.support.played import SESSION, Frames, Played, Told, played

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

#: In a second.
RATE = 50
ANSWERS = 250
TEXT = "A short answer with **bold**, `code` and [a link](https://example.com).\n\n- one\n- two\n\nThat is answer {}."
#: Counts the frames that the page draws, and the times from one to the next.
COUNT = """() => {
  window.frames_ = [];
  let last = performance.now();
  const next = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next);
}"""
DOWN = """async () => {
  const scroll = document.querySelector('#scroll');
  scroll.scrollTop = 1;
  for (let at = 0; at < 120; at += 1) {
    scroll.scrollTop += 220;
    await new Promise(requestAnimationFrame);
  }
}"""


def answers() -> Iterator[Frames]:
    told = Told()
    for number in range(1, ANSWERS + 1):
        yield told.answer(number, TEXT.format(number))


@pytest_asyncio.fixture(loop_scope="session")
async def front(dev: Any, provider: FakeProvider) -> AsyncIterator[tuple[Played, str]]:
    async with played(dev.url, answers(), 1 / RATE) as opened:
        yield opened


async def metrics(session: CDPSession) -> dict[str, float]:
    """Counts, and seconds of the page's main thread, which do not grow with other work of the machine."""
    found = await session.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in found["metrics"]}


def told(what: str, before: dict[str, float], after: dict[str, float], frames: int) -> None:
    spent = {name: round((after[name] - before[name]) * 1000) for name in ("TaskDuration", "ScriptDuration")}
    print(f"\n{what}: {spent['TaskDuration'] / frames:.1f} ms a frame, of {frames} frames; {spent}")  # noqa: T201 - for `-s`


async def test_fifty_answers_a_second_are_drawn_once_each_and_only_what_is_in_sight_is_laid_out(
    browser: BrowserContext, front: tuple[Played, str]
) -> None:
    plays, url = front
    expect.set_options(timeout=WAIT_MS)
    page: Page = await browser.new_page()
    drawn: list[Request] = []
    page.on("request", lambda request: drawn.append(request) if request.url.endswith("/markdown") else None)
    session = await browser.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    await page.goto(f"{url}/#session={SESSION}")
    await expect(page.locator("#message")).to_be_visible()
    await page.evaluate(COUNT)
    before = await metrics(session)
    plays.begin.set()
    await expect(page.locator(".turn")).to_have_count(ANSWERS)
    await expect(page.locator(".answer").last).to_contain_text(f"That is answer {ANSWERS}.")
    after = await metrics(session)
    frames = await page.evaluate("window.frames_.length")
    told("streamed", before, after, frames)
    # Once a frame at most, and once for each lot of texts that was drawn, or sight that changed.
    assert after["LayoutCount"] - before["LayoutCount"] < 4 * max(frames, ANSWERS)
    # Texts go out in lots: each answer grows over several frames, and is asked for by itself never.
    assert len(drawn) < ANSWERS
    await expect(page.locator(".answer .md > ul")).to_have_count(ANSWERS)
    assert await page.locator(".as-written").count() == 0

    # The conversation is at its end, and somebody goes through all of it.
    assert await page.evaluate(
        "(s => s.scrollHeight - s.scrollTop - s.clientHeight < 60)(document.querySelector('#scroll'))"
    )
    before = await metrics(session)
    await page.evaluate(DOWN)
    after = await metrics(session)
    told("scrolled", before, after, 120)
    assert after["LayoutCount"] - before["LayoutCount"] < 4 * 120
    await page.close()
