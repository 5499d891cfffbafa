"""Questions on the pages in real Chromium: approvals, forms, client tools and their results, MCP servers, and people
who answer second."""

import asyncio
import base64
import hashlib
import json
from typing import Any

import httpx2
import pytest
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.temporal.stores.files import put_file
from tests.support.browsing import say, session_of
from tests.support.mcp_running import program

pytestmark = [pytest.mark.server, pytest.mark.browser]

AGENT = """
name: assistant
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools:
  - calculator: {approval: {when: "{{ args.expression != '1+1' }}", expires: 3d}}
  - ask_user
  - client:
      name: pick_color
      description: Lets the user pick
      output: {type: object, properties: {hex: {type: string}}, required: [hex]}
  - client: {name: pick_day, description: Lets the user pick a day, output: {type: string, format: date}}
  - client: {name: draw, description: Draws, output: {type: object}}
"""
SHOPPER = """
name: shopper
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools: [mcp: {command: COMMAND, env: ENV, name: shop, allow: [ask_twice]}]
"""
PLANNER = """
name: planner
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
handlers:
  message:
    - switch:
        - when: "{{ message == 'deliver' }}"
          do:
            - ask:
                prompt: When should we deliver?
                form: {type: object, properties: {day: {type: string, format: date}, note: {type: string}}, required: [day]}
                into: delivery
            - say: "It comes on {{ delivery.day }}."
        - do: [say: Hello.]
"""
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ADDRESS = "https://shop.example/in?a=1&b=2"
PROMPT = f"Who gets the parcel? Look at {ADDRESS}, <b>then</b> javascript:alert(1)."
FIELDS = [
    {"name": "full_name", "type": "text", "required": True},
    {"name": "age", "type": "number"},
    {"name": "size", "type": "choice", "options": ["small", "large"], "required": True},
    {"name": "gift", "label": "Is it a gift?", "type": "boolean"},
    {"name": "day", "type": "date"},
]


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    server = program()
    shopper = SHOPPER.replace("COMMAND", json.dumps(server.command)).replace("ENV", json.dumps(server.env))
    return {"assistant.yaml": AGENT, "shopper.yaml": shopper, "planner.yaml": PLANNER}


def calls(*tools: tuple[str, dict[str, Any]]) -> Reply:
    return Reply(text="", tools=tools)


async def asked(page: Page, provider: FakeProvider, *tools: tuple[str, dict[str, Any]]) -> Locator:
    """The card of the first question of a turn in which the model calls `tools`."""
    provider.script(calls(*tools), Reply(text="All done."))
    await say(page, "go")
    card = page.locator("form.card").first
    await expect(card).to_be_visible()
    return card


def button(where: Page | Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


@pytest.mark.slow
async def test_approvals_and_forms_of_mcp_servers_outlive_reloads_and_a_killed_server(
    page: Page, browser: BrowserContext, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(calls(("shop_ask_twice", {"item": "cup"})))
    made = await http.post("/v1/sessions", json={"agent": "shopper", "message": "go"})
    shop = await browser.new_page()
    errors: list[str] = []
    shop.on("pageerror", lambda error: errors.append(str(error)))
    await shop.goto(f"{dev.url}/chat/{made.json()['session_id']}")
    form = shop.locator("form.card")
    await expect(form).to_contain_text("shop asks: Which size of cup?")

    await page.bring_to_front()
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    await expect(card).to_contain_text("calculator asks to run")
    await expect(card).to_contain_text("6*7")
    await expect(card).to_contain_text("expires in 3 days")
    await expect(page.locator("#sessions")).to_contain_text("Waiting for an answer")
    await page.reload()
    await expect(card).to_contain_text("6*7")
    await dev.kill(group=True)
    await button(card, "Approve").click()
    await expect(card).to_contain_text("trying again")
    await dev.start()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    await expect(page.locator(".settled")).to_have_text("Approved by local")
    await expect(page.locator("details.tool")).to_have_attribute("data-state", "done")

    # The server's process died with the others, and with it its state of the call.
    provider.script(Reply(text="It is bought."))
    await shop.bring_to_front()
    await shop.reload()
    await form.get_by_label("Size").fill("3")
    await button(form, "Send").click()
    await expect(form).to_contain_text("shop asks: Which colour, in size 3?")
    await form.get_by_label("Colour").fill("red")
    await button(form, "Send").click()
    await expect(shop.locator(".answer", has_text="It is bought.")).to_be_visible()
    await expect(shop.locator("details.tool")).to_have_attribute("data-state", "done")
    assert "cup 3 red" in str(provider.calls[-1].body)
    await shop.close()
    assert errors == []


async def test_deny_with_a_reason_by_keyboard(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    await button(card, "Approve").focus()
    for _ in ("Edit", "Deny", "its reason"):
        await page.keyboard.press("Tab")
    await page.keyboard.type("Not today")
    await page.keyboard.press("Enter")
    await expect(card).to_be_visible()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".settled")).to_have_text("Denied by local: Not today")
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    assert "Not today" in str(provider.calls[-1].body)


async def test_edit_and_several_at_once_and_remember(page: Page, dev: Any, provider: FakeProvider) -> None:
    first = ("calculator", {"expression": "6*7"})
    card = await asked(
        page, provider, first, ("calculator", {"expression": "2*2"}), ("calculator", {"expression": "1+1"})
    )
    await expect(page.locator("form.card")).to_have_count(2)
    await button(card, "Edit").click()
    await card.get_by_label("expression").fill("")
    await button(card, "Approve with these").click()
    await expect(card).to_contain_text("args.expression: ")
    await card.get_by_label("expression").fill("10*10")
    await button(card, "Approve with these").click()
    await expect(page.locator(".settled")).to_have_text("Approved by local, with changed arguments")
    await card.get_by_label("Allow this tool").check()
    await button(card, "Approve").click()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    tool = page.locator("details.tool").first
    await tool.locator("summary").click()
    await expect(tool).to_contain_text("100")
    await expect(tool).to_contain_text("Input as the model wrote it")
    provider.script(calls(("calculator", {"expression": "7*7"})), Reply(text="Not asked again."))
    await say(page, "once more")
    await expect(page.locator(".answer", has_text="Not asked again.")).to_be_visible()
    await page.goto(f"{dev.url}/sessions/{session_of(page)}")
    await expect(page.locator("[data-kind=ask]")).to_have_count(2)
    await expect(page.locator("#timeline")).to_contain_text("Approved by local, with changed arguments")


async def test_who_comes_second_is_told(page: Page, browser: BrowserContext, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    second = await browser.new_page()
    await second.goto(page.url)
    held: asyncio.Queue[Route] = asyncio.Queue()
    await second.route("**/answers", held.put)
    await button(second.locator("form.card"), "Deny").click()
    route = await held.get()
    await button(card, "Approve").click()
    await expect(page.locator(".settled")).to_have_text("Approved by local")
    await route.continue_()
    await expect(second.locator(".asked .note")).to_have_text("Somebody else has answered already.")
    await expect(second.locator(".settled")).to_have_text("Approved by local")
    await second.close()


async def test_an_answer_that_failed_can_be_repeated(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("calculator", {"expression": "6*7"}))
    await page.route("**/answers", lambda route: route.fulfill(status=500, body="{}"), times=1)
    await button(card, "Approve").click()
    await expect(card).to_contain_text("You can try again.")
    await button(card, "Approve").click()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()


async def test_a_form_for_the_user(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("ask_user", {"prompt": PROMPT, "fields": FIELDS}))
    await expect(card.locator("h4")).to_have_text(PROMPT)
    (link,) = await card.get_by_role("link").all()
    for name, value in (("href", ADDRESS), ("target", "_blank"), ("rel", "noopener noreferrer")):
        await expect(link).to_have_attribute(name, value)
    await expect(link).to_have_text(ADDRESS)
    await button(card, "Send").click()
    await expect(card.get_by_label("full name")).to_be_focused()
    await card.get_by_label("full name").fill("Ada")
    await card.get_by_label("age").fill("36")
    await card.get_by_label("large").check()
    await card.get_by_label("No", exact=True).check()
    await card.get_by_label("day").fill("2026-02-03")
    # What its model is told of the tool is nothing for people, nor is its JSON.
    await expect(card.locator(".asker")).to_have_text("assistant asks")
    call = page.locator("details.tool")
    await expect(call.locator(".tool-name")).to_have_text("Question")
    await expect(call.locator(".tool-hint")).to_have_text(PROMPT)
    await call.locator("summary").click()
    await expect(call.locator("dd")).to_have_text(["a text", "a number", "small or large", "yes or no", "a date"])
    await button(card, "Send").click()
    await expect(page.locator(".settled")).to_have_text("Answered")
    for place in (call, page.locator(".asked .values")):
        await expect(place.locator("dt")).to_have_text(["full name", "age", "size", "Is it a gift?", "day"])
        await expect(place.locator("dd")).to_have_text(["Ada", "36", "large", "No", "2026-02-03"])
    await expect(call.locator(".asked-for")).to_have_text(PROMPT)
    await expect(call.locator("pre")).to_have_count(0)
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    told = str(provider.calls[-1].body)
    for part in ("Ada", "36", "large", "false", "2026-02-03"):
        assert part in told


@pytest.mark.slow
async def test_a_client_tool_asks_for_what_its_output_is(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("pick_day", {"for": "the parcel"}), ("pick_color", {}))
    await expect(card.locator(".asker")).to_have_text("assistant asks. The tool: Lets the user pick a day")
    await expect(card).to_contain_text("the parcel")
    # The fields are there however late the page learns of the agents.
    await page.reload()
    await card.get_by_label("Answer").fill("2026-12-24")
    await page.keyboard.press("Enter")
    await page.locator("body").press("Alt+q")
    await expect(card.get_by_label("hex")).to_be_focused()
    await card.get_by_label("hex").fill("#00f")
    await button(card, "Send").click()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    told = str(provider.calls[-1].body)
    assert "2026-12-24" in told and "#00f" in told


async def test_any_other_client_tool_takes_json(page: Page, provider: FakeProvider) -> None:
    card = await asked(page, provider, ("draw", {"palette": ["red"]}), ("ask_user", {"prompt": "Why?"}))
    await expect(card).to_contain_text("palette")
    await card.get_by_label("Result").fill("blue")
    await button(card, "Send").click()
    await expect(card).to_contain_text("is not of type 'object'")
    await card.get_by_label("Result").fill('{"hex": "#00f"}')
    await button(card, "Send").click()
    await expect(page.locator(".settled")).to_have_count(1)
    await expect(card).to_contain_text("Why?")
    await button(card, "Decline").click()
    await expect(page.locator(".settled").last).to_have_text("Declined")
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()


async def test_pictures_sounds_and_other_files_of_a_tool(page: Page, dev: Any, provider: FakeProvider) -> None:
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    card = await asked(page, provider, ("draw", {}))
    session = session_of(page)

    async def file(kind: str, media_type: str, data: bytes, **more: str) -> dict[str, Any]:
        sha256 = hashlib.sha256(data).hexdigest()
        await put_file(LocalBlobs(dev.data_dir / "blobs"), f"default/{session}", sha256, data, media_type)
        told = {"type": kind, "media_type": media_type, "bytes": len(data), "uri": f"default/{session}/{sha256}"}
        return {**told, **more}

    picture = await file("image", "image/png", base64.b64decode(PNG))
    content = [
        picture,
        {**picture, "uri": "http://stranger.example/spy.png"},
        await file("audio", "audio/wav", b"RIFF"),
        await file("resource", "application/pdf", b"%PDF" * 500, of="file:///reports/<b>May.pdf"),
        await file("image", "image/svg+xml", b"<svg onload='alert(1)'/>"),
    ]
    await card.get_by_label("Result").fill(json.dumps({"structured": {}, "content": content}))
    await button(card, "Send").click()

    files = page.locator(".files > li")
    await expect(files).to_have_count(4)
    image = files.get_by_role("img")
    # The other one stands there until it is known that no browser displays it.
    await expect(image).to_have_count(1)
    await expect(image).to_have_js_property("naturalWidth", 1)
    await expect(image).to_have_attribute("loading", "lazy")
    await expect(image).to_have_attribute("alt", "Image 1 of draw")
    await expect(page.locator(".files audio")).to_have_attribute("preload", "none")
    links = page.locator(".files a[download]")
    # An image of a type that browsers do not merely display is offered as a download.
    await expect(links).to_have_text(["<b>May.pdf", "File"])
    await expect(files.nth(2)).to_contain_text("application/pdf, 2 kB")
    async with page.expect_download() as downloaded:
        await links.first.click()
    assert (await (await downloaded.value).path()).read_bytes() == b"%PDF" * 500
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    assert [url for url in asked_for if not url.startswith((dev.url, "data:"))] == []


async def test_a_handler_asks_outside_of_any_call(page: Page, dev: Any, http: httpx2.AsyncClient) -> None:
    made = await http.post("/v1/sessions", json={"agent": "planner", "message": "deliver"})
    await page.goto(f"{dev.url}/chat/{made.json()['session_id']}")
    card = page.locator("form.card")
    await expect(card.locator("h4")).to_have_text("When should we deliver?")
    await expect(page.locator("#sessions")).to_contain_text("Waiting for an answer")
    # The conversation is free.
    await expect(page.locator("#stop")).to_be_hidden()
    await card.get_by_label("note").fill("By the door")
    await page.locator("#message").fill("hi")
    await page.keyboard.press("Enter")
    await expect(page.locator(".answer", has_text="Hello.")).to_be_visible()
    await expect(card.get_by_label("note")).to_have_value("By the door")
    await expect(page.locator("article.turn").first.locator("form.card")).to_have_count(1)
    await page.reload()
    await expect(card).to_be_visible()
    await button(card, "Send").click()
    await expect(card.get_by_label("day")).to_be_focused()
    await card.get_by_label("day").fill("2026-02-03")
    await button(card, "Send").click()
    await expect(page.locator(".answer", has_text="It comes on 2026-02-03.")).to_be_visible()
    asked = page.locator("article.turn").first.locator(".asked")
    await expect(asked.locator(".settled")).to_have_text("Answered")
    await expect(asked.locator(".prompt")).to_have_text("When should we deliver?")
    await expect(asked.locator(".values")).to_contain_text("2026-02-03")
    await page.reload()
    await expect(asked.locator(".prompt")).to_have_text("When should we deliver?")
    await expect(page.locator("#sessions")).not_to_contain_text("Waiting for an answer")
