"""Thumbs on the chat page in real Chromium: pressed, taken back, explained, seen in another tab and after a reload, and told
if they fail; and the inspector, which shows them at their turn."""

import re

import pytest
from playwright.async_api import Locator, Page, Route, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import say, session_of

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]


def thumb(page: Page, label: str, turn: int = 0) -> Locator:
    return page.locator(".turn").nth(turn).get_by_role("button", name=label)


async def pressed(page: Page, up: bool, down: bool, turn: int = 0) -> None:
    await expect(thumb(page, "Good answer", turn)).to_have_attribute("aria-pressed", str(up).lower())
    await expect(thumb(page, "Bad answer", turn)).to_have_attribute("aria-pressed", str(down).lower())


async def test_thumbs_are_pressed_explained_and_seen_wherever_the_session_is_shown(
    page: Page, provider: FakeProvider
) -> None:
    provider.script(Reply(text="It is blue."), Reply(text="It is deep."))
    await say(page, "What colour is the sea?")
    await expect(page.locator(".answer", has_text="It is blue.")).to_be_visible()
    await say(page, "And how is it?")
    await expect(page.locator(".answer", has_text="It is deep.")).to_be_visible()
    session = session_of(page)
    other = await page.context.new_page()
    await other.goto(page.url)
    await pressed(other, up=False, down=False, turn=1)

    await thumb(page, "Good answer", 1).click()
    await pressed(page, up=True, down=False, turn=1)
    await pressed(other, up=True, down=False, turn=1)
    await pressed(other, up=False, down=False, turn=0)
    await thumb(other, "Good answer", 1).click()
    await pressed(page, up=False, down=False, turn=1)

    # With the keyboard alone.
    await thumb(page, "Bad answer", 1).focus()
    await page.keyboard.press("Enter")
    why = page.get_by_role("textbox", name="What was wrong?")
    await expect(why).to_be_focused()
    await page.keyboard.type("It says <b>too little</b>.")
    await page.keyboard.press("Enter")
    await expect(why).to_have_count(0)
    await expect(thumb(page, "Bad answer", 1)).to_be_focused()
    await pressed(other, up=False, down=True, turn=1)
    # Why is asked where the thumb was pressed, and may be left out.
    await expect(other.get_by_role("textbox", name="What was wrong?")).to_have_count(0)
    await thumb(page, "Bad answer", 0).click()
    await expect(why).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(why).to_have_count(0)
    await pressed(other, up=False, down=True, turn=0)

    await page.reload()
    await pressed(page, up=False, down=True, turn=1)
    await pressed(page, up=False, down=True, turn=0)

    inspector = page.url.replace("/chat/", "/sessions/")
    await other.goto(inspector)
    told = other.locator("#turn-t2 .rated")
    await expect(told).to_have_text(re.compile(r"Feedback -1\s*It says <b>too little</b>\.\s*by local"))
    await expect(other.locator("#turn-t1 .rated")).to_have_text(re.compile(r"Feedback -1\s*by local"))
    await thumb(page, "Good answer", 1).click()
    await expect(told).to_have_text(re.compile(r"Feedback \+1\s*by local"))
    assert session in inspector
    await other.close()


async def test_feedback_that_is_not_kept_goes_back_and_is_told(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="It is blue."))
    await say(page, "What colour is the sea?")
    await expect(page.locator(".answer", has_text="It is blue.")).to_be_visible()

    async def refuse(route: Route) -> None:
        problem = {"code": "validation", "title": "No", "detail": "Not today.", "status": 422}
        await route.fulfill(status=422, json=problem, content_type="application/problem+json")

    await page.route("**/feedback", refuse)
    await thumb(page, "Bad answer").click()
    await expect(page.get_by_text("Your feedback could not be kept. Not today.")).to_be_visible()
    await pressed(page, up=False, down=False)
    await expect(page.get_by_role("textbox", name="What was wrong?")).to_have_count(0)
    await page.unroute("**/feedback")
    await thumb(page, "Good answer").click()
    await pressed(page, up=True, down=False)
    # A closed session keeps what it has, and takes no more.
    await page.evaluate("fetch(location.pathname.replace('/chat/', '/v1/sessions/'), { method: 'DELETE' })")
    await expect(page.get_by_role("button", name="Good answer")).to_have_count(0)
