"""Answers in Markdown, in real Chromium: drawn by the gateway while they stream, and as they are written where it cannot."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import say

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

ANSWER = r"""# Shipping

A **parcel** of 3 kg costs `8` dollars[^1], ~~9~~, see www.example.com.

- [x] packed
- [ ] sent
  1. by post

| to | days |
|----|-----:|
| DE | 2    |

```python
def price(weight):
    return weight * 2
```

The sum is \(\frac{a}{b}\).

[^1]: Without insurance.
"""


async def test_an_answer_is_drawn_with_all_that_markdown_has(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text=ANSWER, gap=0.005))
    await say(page, "what does a parcel cost?")
    answer = page.locator(".answer")
    await expect(answer.locator("h3")).to_have_text("Shipping")
    await expect(answer.locator("strong")).to_have_text("parcel")
    await expect(answer.locator("s")).to_have_text("9")
    await expect(answer.locator("a[target=_blank]")).to_have_attribute("href", "http://www.example.com")
    await expect(answer.locator("input[type=checkbox]")).to_have_count(2)
    await expect(answer.locator("li li")).to_have_text("by post")
    await expect(answer.locator("td.right")).to_have_text("2")
    await expect(answer.locator("math mfrac")).to_have_count(1)
    await expect(answer.locator(".footnotes li")).to_contain_text("Without insurance.")
    await expect(answer.locator(".code-bar")).to_contain_text("python")
    await expect(answer.locator("pre .k").first).to_have_text("def")
    await expect(answer.locator(".as-written")).to_have_count(0)
    shown = await answer.inner_text()
    assert all(mark not in shown for mark in ("**", "```", "|--", "[^1]", "\\("))
    assert shown.count("Without insurance.") == 1


async def test_code_is_copied_and_a_footnote_keeps_the_session_open(page: Page, provider: FakeProvider) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    provider.script(Reply(text=ANSWER))
    await say(page, "what does a parcel cost?")
    await page.locator(".code-bar").get_by_role("button", name="Copy").click()
    await expect(page.locator(".code-bar button")).to_have_text("Copied")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == "def price(weight):\n    return weight * 2"
    address = page.url
    await page.locator(".footnote-ref a").click()
    assert page.url == address
    await expect(page.locator(".answer h3")).to_have_text("Shipping")


async def test_an_answer_is_seen_as_it_is_written_while_it_cannot_be_drawn(page: Page, provider: FakeProvider) -> None:
    drawn = asyncio.Event()

    async def away(route: Route) -> None:
        await (route.continue_() if drawn.is_set() else route.abort())

    await page.route("**/markdown", away)
    provider.script(Reply(text="**bold** and\n\n<b>not</b>"))
    await say(page, "anything")
    written: Any = page.locator(".answer .as-written")
    await expect(written).to_have_text("**bold** and\n\n<b>not</b>")
    drawn.set()
    await expect(page.locator(".answer strong")).to_have_text("bold")
    await expect(written).to_have_count(0)
    assert await page.locator(".answer b").count() == 0
    assert "<b>not</b>" in await page.locator(".answer").inner_text()
