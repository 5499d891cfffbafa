"""The guide's React page with the real `useChat`, versions 6 and 7, in real Chromium: what a person sees."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, FilePayload, Page, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support import page_tools
from tests.support.browsing import WAIT_MS
from tests.support.dev import Dev
from tests.support.pictures import picture
from tests.support.react_page import PASTE, Site, Tabs, rested, said, say, site, tabs, texts

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

HEAD = (
    "models: {main: {use: anthropic/claude-haiku-5-5, max_output_tokens: 1000}}\nmodel: main\ninstructions: Be brief.\n"
)
AGENTS = {
    "support": """limits: {turn: {tokens: 9000}, on_limit: ask}
tools:
  - calculator: {approval: always}
  - agent: {name: helper, description: Helps}
  - client: {name: time_zone, description: Tells the time zone, input: {type: object}, output: {type: string}}
  - client: {name: pick_date, description: Asks for a date, input: {type: object}, output: {type: string}}
  - scan
  - draw
  - todo
  - ask_user
handlers:
  pickup:
    - ask:
        prompt: When shall we come?
        form: {type: object, properties: {day: {type: string, format: date}, floor: {type: integer}}, required: [day]}
        into: visit
    - say: "We come on {{ visit.day }} to floor {{ visit.floor }}."
""",
    "helper": "tools: [calculator: {approval: always}]\n",
}
SLOW = Reply(text=" ".join(f"word{n}" for n in range(1, 31)), gap=0.1)
STALL = Reply(text="one two three four", fault="stall")
SUM = ("calculator", {"expression": "2+3"})
PNG, GIF = picture("PNG", (4, 4)), picture("GIF", (6, 6))
BOTH = pytest.mark.parametrize("package", ["ai7", "ai"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages() -> AsyncIterator[Site]:
    async with site() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, pages: Site) -> AsyncIterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    for name, text in AGENTS.items():
        (folder / f"{name}.yaml").write_text(f"name: {name}\n{HEAD}{text}")
    environment = {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_ALLOWED_ORIGINS": pages.origin,
    }
    running = Dev(folder, environment, ["--agents", str(folder), "--tools", str(page_tools.__file__)])
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: BrowserContext) -> AsyncIterator[Tabs]:
    async with tabs(browser) as open_tab:
        yield open_tab


@pytest.fixture
def package() -> str:
    """The name under which the version of `ai` is installed that the page is made with."""
    return "ai7"


@pytest_asyncio.fixture(loop_scope="session")
async def page(tab: Tabs, package: str, pages: Site, dev: Dev, provider: FakeProvider, tmp_path: Path) -> Page:
    """The page of a new chat; the provider has nothing scripted."""
    expect.set_options(timeout=WAIT_MS)
    provider.reset()
    return await tab(await pages.build(package, dev.url, tmp_path))


async def status(http: httpx2.AsyncClient, page: Page) -> str:
    answer = await http.get(f"/v1/sessions/{page.url.partition('#')[2]}")
    return str(answer.json()["status"])


@BOTH
async def test_a_reload_and_a_second_tab_in_mid_answer(page: Page, tab: Tabs, provider: FakeProvider) -> None:
    provider.script(Reply(text="Hello Ann.", reasoning="A greeting"), SLOW)
    await say(page, "I am Ann")
    await expect(texts(page)).to_have_text(["Hello Ann."])
    await expect(page.locator(".assistant small")).to_have_text("15 tokens")
    await rested(page)
    await say(page, "Count")
    await expect(texts(page).last).to_contain_text("word2")
    await page.reload()
    other = await tab(page.url)
    for one in (page, other):
        await expect(texts(one)).to_have_text(["Hello Ann.", SLOW.text])
        await rested(one)
        await expect(said(one)).to_have_text(["I am Ann", "Count"])
        await expect(one.locator(".assistant details")).to_contain_text("A greeting")


async def test_stop(page: Page, provider: FakeProvider, http: httpx2.AsyncClient) -> None:
    provider.script(STALL, Reply(text="Yes?"))
    await say(page, "Count")
    await expect(texts(page)).to_contain_text("one two")
    await page.get_by_role("button", name="Stop").click()
    await rested(page)
    await provider.until(lambda calls: calls[0].closed_at is not None)
    assert await status(http, page) == "idle"
    await say(page, "Are you there?")
    await expect(texts(page).last).to_have_text("Yes?")
    await page.reload()
    await expect(said(page)).to_have_text(["Count", "Are you there?"])


@BOTH
async def test_approvals_after_a_reload(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="I look.", tools=(SUM, SUM)), Reply(text="It is 5."))
    await say(page, "2+3?")
    await expect(page.get_by_role("group")).to_have_count(2)
    await page.reload()
    await expect(page.get_by_role("group").first).to_contain_text('May calculator run with {"expression":"2+3"}?')
    await rested(page)
    await page.get_by_role("button", name="Allow").first.click()
    await page.get_by_role("button", name="Deny").last.click()
    for _ in range(2):
        await expect(texts(page)).to_have_text(
            ["I look.", 'calculator: {"result":"5","exact":true}', "calculator: denied", "It is 5."]
        )
        await rested(page)
        await page.reload()
    assert len(provider.calls) == 2


async def test_regenerate_and_edit(page: Page, provider: FakeProvider) -> None:
    provider.script(*(Reply(text=f"Answer {number}.") for number in range(1, 5)))
    await say(page, "First")
    await expect(texts(page)).to_have_text(["Answer 1."])
    await rested(page)
    await say(page, "Second")
    await expect(texts(page)).to_have_text(["Answer 1.", "Answer 2."])
    await page.get_by_role("button", name="Regenerate").last.click()
    await expect(texts(page)).to_have_text(["Answer 1.", "Answer 3."])
    await page.reload()
    await expect(texts(page)).to_have_text(["Answer 1.", "Answer 3."])
    await page.get_by_role("button", name="Edit").first.click()
    await say(page, "Edited")
    for _ in range(2):
        await expect(texts(page)).to_have_text(["Answer 4."])
        await expect(said(page)).to_have_text(["Edited"])
        await rested(page)
        await page.reload()
    (asked,) = provider.calls[-1].body["messages"]
    assert [part["text"] for part in asked["content"]] == ["Edited"]


async def test_files(page: Page, provider: FakeProvider) -> None:
    """One is uploaded, one is pasted and goes along in the message; both go along with an edit."""
    for given in ("upload", "paste"):
        if given == "upload":
            file = FilePayload(name="cat.png", mimeType="image/png", buffer=PNG)
            await page.get_by_label("Files").set_input_files(file)
        else:
            await page.get_by_label("Message").evaluate(PASTE, base64.b64encode(GIF).decode())
        await expect(page.locator("form span")).to_have_text("cat.png" if given == "upload" else "cat.gif")
        await say(page, "Look")
        await expect(texts(page).last).to_have_text("Hello from the fake provider.")
        await rested(page)
    await page.reload()
    images = page.locator(".user img")
    await expect(images).to_have_count(2)
    for image, width in ((images.first, 4), (images.last, 6)):
        assert await image.evaluate("(one) => one.decode().then(() => one.naturalWidth)") == width
    await page.get_by_role("button", name="Edit").last.click()
    await say(page, "Look again")
    await expect(said(page)).to_have_text(["Look", "Look again"])
    await rested(page)
    body = json.dumps(provider.calls[-1].body)
    assert all(base64.b64encode(data).decode() in body for data in (PNG, GIF))


async def test_a_picture_that_a_tool_made(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(("draw", {"data": base64.b64encode(PNG).decode()}),)), Reply(text="There."))
    await say(page, "Draw")
    for _ in range(2):
        await expect(texts(page).last).to_have_text("There.")
        await rested(page)
        image = page.locator(".assistant img")
        assert await image.evaluate("(one) => one.decode().then(() => one.naturalWidth)") == 4
        await page.reload()


@BOTH
async def test_client_tools(page: Page, provider: FakeProvider) -> None:
    provider.script(
        Reply(text="", tools=(("time_zone", {}),)),
        Reply(text="", tools=(("pick_date", {}),)),
        Reply(text="See you then."),
    )
    await say(page, "When?")
    await expect(page.get_by_label("pick_date")).to_be_visible()
    await page.reload()
    await page.get_by_label("pick_date").fill("2026-12-24")
    await page.get_by_role("button", name="Answer").click()
    zone = await page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    for _ in range(2):
        await expect(texts(page)).to_have_text(
            [f'time_zone: "{zone}"', 'pick_date: "2026-12-24"', "See you then."],
        )
        await rested(page)
        await page.reload()
    assert len(provider.calls) == 3


async def test_the_agent_asks_for_a_text_and_in_forms(
    page: Page, provider: FakeProvider, http: httpx2.AsyncClient
) -> None:
    fields = [
        {"name": "size", "label": "Which size?", "type": "choice", "options": ["S", "L"], "required": True},
        {"name": "pieces", "type": "number"},
        {"name": "gift", "type": "boolean"},
        {"name": "note", "type": "text"},
    ]
    provider.script(
        Reply(text="", tools=(("ask_user", {"prompt": "Which colour?"}),)),
        Reply(text="", tools=(("ask_user", {"prompt": "And?", "fields": fields}),)),
        Reply(text="Done."),
    )
    await say(page, "A lamp")
    await expect(page.get_by_text("Which colour?")).to_be_visible()
    await page.get_by_label("Answer").fill("red")
    await page.get_by_role("button", name="Answer").click()
    await page.get_by_label("Which size?").select_option("L")
    await page.get_by_label("pieces").fill("2")
    await page.get_by_label("gift").check()
    await page.get_by_role("button", name="Answer").click()
    await expect(texts(page)).to_have_text(
        ['ask_user: {"answer":"red"}', 'ask_user: {"size":"L","pieces":2,"gift":true}', "Done."]
    )
    await rested(page)
    await http.post(f"/v1/sessions/{page.url.partition('#')[2]}/triggers/pickup", json={})
    await page.reload()
    await page.get_by_label("day").fill("2026-12-24")
    await page.get_by_label("floor").fill("3")
    await page.get_by_role("button", name="Answer").click()
    await expect(texts(page).last).to_have_text("We come on 2026-12-24 to floor 3.")
    await expect(page.get_by_text("When shall we come?")).to_have_count(0)


async def test_a_list_progress_and_a_sub_agent_that_asks(page: Page, provider: FakeProvider, tmp_path: Path) -> None:
    items = [{"text": "Scan", "status": "doing"}]
    until = tmp_path / "until"
    provider.script(
        Reply(text="", tools=(("todo", {"items": items}), ("scan", {"until": str(until)}))),
        Reply(text="", tools=(("helper", {"message": "Add"}),)),
        Reply(text="", tools=(SUM,)),
        Reply(text="Five."),
        Reply(text="All done."),
    )
    await say(page, "Go")
    await expect(page.locator(".assistant li")).to_have_text("Scan (doing)")
    await expect(page.get_by_role("status")).to_have_text("half of the shelf")
    await asyncio.to_thread(until.touch)
    await expect(page.get_by_role("group")).to_contain_text("May calculator run with")
    await page.reload()
    await expect(page.get_by_text("The agent helper is asked.")).to_be_visible()
    await page.get_by_role("button", name="Yes").click()
    await expect(texts(page).last).to_have_text("All done.")
    await expect(page.get_by_role("group")).to_have_count(0)
    await rested(page)


async def test_a_budget_that_ends(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="I look.", tools=(("todo", {}),), input_tokens=8900), Reply(text="Done."))
    await say(page, "Go")
    await expect(page.get_by_role("group")).to_contain_text("that would exceed the turn's cap")
    await page.reload()
    await page.get_by_role("button", name="Yes").click()
    await expect(texts(page).last).to_have_text("Done.")
    await expect(page.get_by_role("group")).to_have_count(0)
    await rested(page)


async def test_a_turn_that_fails_and_a_message_that_is_refused(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(status=401, error="authentication_error", message="bad key"), Reply(text="Now."))
    await say(page, "Hello")
    for _ in range(2):
        await expect(page.get_by_role("alert")).to_contain_text("key")
        await expect(said(page)).to_have_text(["Hello"])
        await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("key")
    await say(page, " ")
    await expect(page.get_by_role("alert")).to_have_text("message.parts: has no text and no file")
    await say(page, "Again")
    await expect(texts(page).last).to_have_text("Now.")
    await rested(page)


async def test_an_attempt_that_is_lost_in_mid_answer(page: Page, provider: FakeProvider) -> None:
    """What had come of it is taken off the page again."""
    provider.script(Reply(text="one two three", gap=0.1, fault="rst", fault_after=2), Reply(text="Another."))
    await say(page, "Count")
    await expect(texts(page)).to_have_text(["Another."])
    await rested(page)


async def test_everything_is_killed_in_mid_answer(
    page: Page, tab: Tabs, pages: Site, dev: Dev, provider: FakeProvider, tmp_path: Path
) -> None:
    """Nobody does anything: the pages find the gateway again, two for their answers and one for its message."""
    older, other = [await tab(await pages.build("ai", dev.url, tmp_path)) for _ in range(2)]
    provider.script(STALL, STALL)
    for one in (page, older):
        await say(one, "Count")
    for one in (page, older):
        await expect(texts(one)).to_contain_text("one two")
    await dev.kill(group=True)
    for one in (page, older):
        await expect(one.get_by_role("status")).to_have_text("Reconnecting…")
    await say(other, "Hello")
    await expect(other.get_by_role("status")).to_have_text("Working…")
    await dev.start()
    for one in (page, older, other):
        # What the worker was at counts as lost only after a while.
        await expect(texts(one)).to_have_text(["Hello from the fake provider."], timeout=2 * WAIT_MS)
        await rested(one)
