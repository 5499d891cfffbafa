"""A question of an MCP server on the chat page, in real Chromium, answered after everything was killed."""

import json
from typing import Any

import pytest
from playwright.async_api import expect

from temporal.app.fake_provider import FakeProvider
from temporal.app.fake_replies import Reply
from tests.browsing import WAIT_MS, open_browser, say
from tests.mcp_running import program

pytestmark = [pytest.mark.server, pytest.mark.browser]

AGENT = """
name: assistant
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools: [mcp: {command: COMMAND, env: ENV, name: shop, allow: [ask_twice]}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    server = program()
    text = AGENT.replace("COMMAND", json.dumps(server.command)).replace("ENV", json.dumps(server.env))
    return {"assistant.yaml": text}


async def test_a_form_of_a_server_is_filled_in_after_everything_was_killed(
    dev: Any, chromium: str, provider: FakeProvider
) -> None:
    expect.set_options(timeout=WAIT_MS)
    provider.script(Reply(text="", tools=(("shop_ask_twice", {"item": "cup"}),)), Reply(text="All done."))
    async with open_browser(chromium) as context:
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{dev.url}/")
        await say(page, "go")
        card = page.locator("form.card")
        await expect(card).to_contain_text("shop asks: Which size of cup?")

        await dev.kill(group=True)
        await dev.start()
        await page.reload()
        await card.get_by_label("Size").fill("3")
        await card.get_by_role("button", name="Send", exact=True).click()
        await expect(card).to_contain_text("shop asks: Which colour, in size 3?")
        await card.get_by_label("Colour").fill("red")
        await card.get_by_role("button", name="Send", exact=True).click()

        await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
        await expect(page.locator("details.tool")).to_have_attribute("data-state", "done")
        assert "cup 3 red" in str(provider.calls[-1].body)
        assert errors == []
