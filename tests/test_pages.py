"""The chat page and the inspector in real Chromium, against all of Perdure: conversations, sub-agents, forks."""

import asyncio
from typing import Any

import httpx2
import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import say, session_of

pytestmark = [pytest.mark.server, pytest.mark.browser]

WORDS = [f"word{number}" for number in range(100)]
LONG = Reply(text=" ".join(WORDS), gap=0.03)
ENDLESS = Reply(text=" ".join(WORDS[:20]), fault="stall", fault_after=16)
LONG_ARGUMENT = "+".join(["1"] * 400)
_HEAD = "models: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main"


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "greeter.yaml": f"name: greeter\n{_HEAD}\ninstructions: Greet.\nstarters: [Greet me in three languages, Hi]",
        "boss.yaml": f"name: boss\n{_HEAD}\ninstructions: Boss.\ntools: [agent: {{name: helper}}]",
        "helper.yaml": f"name: helper\n{_HEAD}\ninstructions: Help.\ntools: [ask_user, agent: {{name: writer}}]",
        "writer.yaml": f"name: writer\n{_HEAD}\ninstructions: Write.\ntools: [calculator: {{approval: always}}]",
    }


async def test_an_answer_streams_and_is_shown_once(page: Page, provider: FakeProvider) -> None:
    provider.script(LONG)
    await say(page, "tell me something")
    await expect(page.locator(".answer")).to_contain_text("word3")
    await expect(page.locator(".answer")).not_to_contain_text("word99", timeout=1)
    await expect(page.locator(".answer")).to_contain_text("word99")
    shown = await page.locator("body").inner_text()
    assert shown.count("word42") == 1
    assert shown.count("tell me something") >= 1
    await expect(page.locator("#stop")).to_be_hidden()


async def test_a_reload_in_mid_answer_finds_its_session_again(page: Page, provider: FakeProvider) -> None:
    provider.script(LONG)
    await say(page, "and on")
    await expect(page.locator(".answer")).to_contain_text("word5")
    await page.reload()
    await expect(page.locator(".user")).to_contain_text("and on")
    await expect(page.locator(".answer")).to_contain_text("word99")
    assert (await page.locator("body").inner_text()).count("word42") == 1


@pytest.mark.slow
async def test_the_page_outlives_a_killed_server(page: Page, dev: Any, provider: FakeProvider) -> None:
    provider.script(LONG, LONG, Reply(text="Still here."))
    await say(page, "will you survive")
    await expect(page.locator(".answer")).to_contain_text("word5")
    await dev.kill(group=True)
    await say(page, "sent while it was away")
    await dev.start()
    await expect(page.locator("body")).to_contain_text("Still here.")
    shown = await page.locator("body").inner_text()
    assert shown.count("word42") == 1
    assert await page.locator(".user", has_text="sent while it was away").count() == 1


async def test_sessions_have_addresses_and_back_goes_between_them(page: Page, dev: Any, provider: FakeProvider) -> None:
    seen: list[str] = []
    for number in (1, 2):
        provider.script(Reply(text=f"Answer number {number}."))
        await say(page, f"question number {number}")
        await expect(page.locator(".answer")).to_contain_text(f"Answer number {number}.")
        seen.append(session_of(page))
        assert page.url == f"{dev.url}/chat/{seen[-1]}"
        await page.get_by_role("button", name="New chat").click()
        await expect(page).to_have_url(f"{dev.url}/")
    loads = await page.evaluate("performance.timeOrigin")
    await page.locator(f'#sessions a[href="/chat/{seen[0]}"]').click()
    await expect(page.locator(".user")).to_have_text("question number 1")
    await page.go_back()
    await expect(page.locator("#welcome")).to_be_visible()
    await page.go_back()
    await expect(page.locator(".user")).to_have_text("question number 2")
    await page.go_forward()
    await page.go_forward()
    await expect(page.locator(".user")).to_have_text("question number 1")
    assert await page.evaluate("performance.timeOrigin") == loads

    # An address of before, also where the page is open.
    await page.evaluate("id => { location.hash = `session=${id}`; }", seen[1])
    await expect(page.locator(".user")).to_have_text("question number 2")
    await expect(page).to_have_url(f"{dev.url}/chat/{seen[1]}")
    await page.goto(f"{dev.url}/")
    await expect(page).to_have_url(f"{dev.url}/chat/{seen[1]}")


async def test_where_there_is_no_such_session_the_page_says_so_and_goes_on(
    page: Page, dev: Any, provider: FakeProvider
) -> None:
    for address in ("nobody", "no%20id"):
        await page.goto(f"{dev.url}/chat/{address}")
        missing = page.get_by_role("alert").filter(has_text="This session is not here any more")
        await expect(missing).to_be_visible()
        await expect(page.locator("#message")).to_be_disabled()
    await page.get_by_role("button", name="Start a new chat").click()
    await expect(page).to_have_url(f"{dev.url}/")
    provider.script(Reply(text="Here you are."))
    await say(page, "hello")
    await expect(page.locator(".answer")).to_contain_text("Here you are.")

    # One that was only remembered is forgotten without a word.
    await page.evaluate("localStorage.setItem('perdure.session', 'nobody')")
    await page.goto(f"{dev.url}/")
    await expect(page.locator("#welcome")).to_contain_text("assistant")
    await expect(page).to_have_url(f"{dev.url}/")


async def test_tools_show_their_input_and_output(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)), Reply(text="Forty-two."))
    await say(page, "six times seven")
    await expect(page.locator(".answer", has_text="Forty-two.")).to_be_visible()
    tool = page.locator("details.tool")
    await expect(tool).to_contain_text("calculator")
    await tool.locator("summary").click()
    await expect(tool).to_contain_text("6*7")
    await expect(tool).to_contain_text("42")


async def test_stop_keeps_what_had_come(page: Page, provider: FakeProvider) -> None:
    provider.script(LONG, Reply(text="Next."))
    await say(page, "on and on")
    await expect(page.locator(".answer")).to_contain_text("word5")
    await page.locator("#stop").click()
    await expect(page.locator("#stop")).to_be_hidden()
    await expect(page.locator(".answer").first).to_contain_text("word5")
    await expect(page.locator(".answer").first).not_to_contain_text("word99")
    await say(page, "go on")
    await expect(page.locator(".answer", has_text="Next.")).to_be_visible()


async def test_a_message_typed_before_the_page_knows_its_agents_goes_out(
    page: Page, dev: Any, provider: FakeProvider
) -> None:
    provider.script(Reply(text="I heard you."))
    known = asyncio.Event()

    async def held(route: Route) -> None:
        await known.wait()
        await route.continue_()

    await page.route("**/v1/agents", held)
    await page.goto(f"{dev.url}/")
    await say(page, "quick")
    await expect(page.get_by_role("textbox")).to_have_value("quick")
    known.set()
    await expect(page.locator(".answer")).to_contain_text("I heard you.")
    await expect(page.get_by_role("textbox")).to_have_value("")


async def test_a_first_message_that_the_agent_offers_goes_out_at_a_click(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="A long story."))
    await page.get_by_role("textbox").fill("a draft")
    await page.get_by_role("radio", name="greeter").check()
    await page.get_by_role("button", name="Greet me in three languages").click()
    await expect(page.locator(".user")).to_have_text("Greet me in three languages")
    await expect(page.locator("#agent-name")).to_have_text("greeter")
    await expect(page.locator(".answer")).to_contain_text("A long story.")
    await expect(page.get_by_role("textbox")).to_have_value("a draft")


async def test_hostile_text_is_text(page: Page, provider: FakeProvider) -> None:
    hostile = '<img src=x onerror="document.title=1"> **bold** [link](javascript:alert(1))'
    provider.script(Reply(text=hostile))
    await say(page, hostile)
    await expect(page.locator(".answer")).to_contain_text("<img src=x")
    assert await page.locator(".answer img, .user img, a[href^='javascript']").count() == 0


async def test_the_inspector_shows_turns_and_exact_prompts(page: Page, dev: Any, provider: FakeProvider) -> None:
    provider.script(Reply(text="An answer to inspect.", reasoning="A thought to keep."))
    await say(page, "inspect this question")
    await expect(page.locator(".answer", has_text="An answer to inspect.")).to_be_visible()
    session = session_of(page)
    await page.goto(f"{dev.url}/sessions/{session}")
    await expect(page.locator("body")).to_contain_text("inspect this question")
    await expect(page.locator("body")).to_contain_text("claude-sonnet-5-5")
    await page.locator("button.row[data-step]").first.click()
    detail = page.locator("#detail")
    for shown in (
        "You are a helpful assistant",
        "inspect this question",
        "An answer to inspect.",
        "A thought to keep.",
        "The answer is complete",
        "Shown below exactly as it was sent",
        "All of it: this is the first step that the session keeps.",
    ):
        await expect(detail).to_contain_text(shown)


async def test_the_inspector_tells_what_was_cached_and_what_is_estimated(
    page: Page, dev: Any, provider: FakeProvider
) -> None:
    counted = Reply(text="Counted.", input_tokens=1000, cached_tokens=400, cache_write_tokens=300, output_tokens=5)
    provider.script(counted, Reply(text="Not counted.", usage="none"))
    await say(page, "count this")
    await expect(page.locator(".answer", has_text="Counted.")).to_be_visible()
    await expect(page.locator("#cost")).not_to_contain_text("≈")
    await say(page, "and this")
    await expect(page.locator(".answer", has_text="Not counted.")).to_be_visible()
    await expect(page.locator("#cost")).to_contain_text("≈ $")
    await expect(page.locator(".turn-footer").nth(1)).to_contain_text("≈")
    await expect(page.locator(".turn-footer").nth(0)).not_to_contain_text("≈")

    session = session_of(page)
    await page.goto(f"{dev.url}/sessions/{session}")
    await expect(page.locator("#facts")).to_contain_text("Estimated")
    detail = page.locator("#detail")
    await page.locator("button.row[data-step]").nth(0).click()
    await expect(detail).to_contain_text("1,000, 400 of them cached, 300 written to the cache")
    await expect(detail).not_to_contain_text("Estimated")
    await page.locator("button.row[data-step]").nth(1).click()
    await expect(detail).to_contain_text("Estimated, because the model server did not count all tokens")


async def test_the_inspector_forks_a_session_from_a_turn(page: Page, dev: Any, provider: FakeProvider) -> None:
    for number in (1, 2):
        provider.script(Reply(text=f"Answer number {number}."))
        await say(page, f"question number {number}")
        await expect(page.locator(".answer", has_text=f"Answer number {number}.")).to_be_visible()
    session = session_of(page)
    await page.goto(f"{dev.url}/sessions/{session}")
    await expect(page.locator(".turn")).to_have_count(2)

    fork = page.get_by_role("button", name="Fork from here").first
    await fork.click()
    await expect(page.get_by_role("dialog")).to_contain_text("up to turn t1: “question number 1”")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(fork).to_be_focused()
    await fork.press("Enter")
    await page.get_by_role("button", name="Fork", exact=True).click()

    await expect(page.locator("#facts a")).to_have_text(f"{session}, t1")
    await expect(page.locator(".turn")).to_have_count(1)
    await expect(page.locator(".turn")).to_contain_text("question number 1")
    await page.locator("#facts a").click()
    await expect(page.locator(".turn")).to_have_count(2)


def calls(*tools: tuple[str, dict[str, Any]]) -> Reply:
    return Reply(text="", tools=tools)


async def begin(page: Page, dev: Any, http: httpx2.AsyncClient) -> None:
    """Shows a new session of the agent `boss`."""
    made = await http.post("/v1/sessions", json={"agent": "boss", "message": "go"})
    await page.goto(f"{dev.url}/chat/{made.json()['session_id']}")


def asks(name: str, message: str) -> Reply:
    return calls((name, {"message": message}))


async def test_a_sub_agent_is_seen_at_work_and_folded_when_it_is_stopped(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(asks("helper", "Tell a tale"), asks("writer", "Write it"), ENDLESS)
    await begin(page, dev, http)
    agents = page.locator("details.agent")
    writing = agents.nth(1).locator(".work")
    await expect(writing).to_contain_text(" word7")
    await page.reload()
    await expect(writing).to_contain_text("word0 word1 ")
    await expect(agents.nth(1)).to_have_attribute("open", "")
    await expect(agents.first.locator(".task").first).to_contain_text("Tell a tale")

    await page.locator("#stop").click()

    await expect(page.locator("#stop")).to_be_hidden()
    await expect(agents.first).not_to_have_attribute("open", "")
    await expect(agents.first.locator("> summary")).to_contain_text("Stopped")
    await expect(agents.first.locator("> summary")).to_contain_text("$")


async def test_a_sub_agent_that_is_over_is_read_when_it_is_unfolded(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(asks("helper", "Tell a tale"), asks("writer", "Write it"), Reply(text="Once upon a time."))
    provider.script(Reply(text="It is told."), Reply(text="All done."))
    await begin(page, dev, http)
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    await page.reload()
    agents = page.locator("details.agent")
    await expect(agents).to_have_count(1)
    await agents.first.locator("> summary").click()
    await expect(agents.first).to_contain_text("It is told.")
    await agents.nth(1).locator("> summary").click()
    await expect(agents.nth(1).locator(".work")).to_have_text("Once upon a time.")

    # Its session is not in the list until it is the open one.
    entry = page.locator("#sessions li", has_text="Tell a tale")
    await expect(entry).to_have_count(0)
    await page.get_by_role("link", name="Open its session").last.click()
    await expect(page.locator("#facts")).to_contain_text("Called by")
    await page.locator("#chat").click()
    await expect(entry).to_have_attribute("data-below", "")
    await page.get_by_role("link", name="Caller").click()
    await expect(page.locator(".user").first).to_have_text("go")
    await expect(entry).to_have_count(0)


async def test_what_a_sub_agent_asks_is_answered_in_its_callers_chat(
    page: Page, browser: BrowserContext, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    form = {"prompt": "Which year?", "fields": [{"name": "year", "type": "number"}]}
    count = calls(("calculator", {"expression": LONG_ARGUMENT}), ("calculator", {"expression": "2*2"}))
    provider.script(asks("helper", "Count"), asks("writer", "Count"), count, Reply(text="Counted."))
    provider.script(calls(("ask_user", form)), Reply(text="Asked."), Reply(text="All done."))
    await page.set_viewport_size({"width": 380, "height": 900})
    await begin(page, dev, http)
    card = page.locator("form.card")
    await expect(card).to_have_count(2)
    await expect(card.first).to_contain_text("helper › writer asks")
    await expect(page.locator("#sessions")).to_contain_text("Waiting for an answer")
    await expect(page.locator(".turn-footer")).to_have_text("Waits for an answer")
    assert await page.evaluate("document.querySelector('#scroll').scrollWidth <= innerWidth")
    await page.reload()
    second = await browser.new_page()
    await second.goto(page.url)
    held: asyncio.Queue[Route] = asyncio.Queue()
    await second.route("**/answers", held.put)
    await second.get_by_role("button", name="Deny").first.click()
    late = await held.get()
    await page.bring_to_front()

    # Long arguments can be read and changed.
    await card.first.locator("summary").click()
    await expect(card.first.locator(".folded > .long")).to_have_text(LONG_ARGUMENT)
    await card.first.get_by_role("button", name="Edit").click()
    await card.first.get_by_label("expression").fill("6*7")
    await card.first.get_by_role("button", name="Approve with these").click()
    await expect(page.locator(".settled", has_text="helper › writer, calculator")).to_contain_text("changed arguments")
    await late.continue_()
    await expect(second.locator(".asked .note")).to_have_text("Somebody else has answered already.")
    await second.close()
    await card.get_by_label("Reason, if you deny").fill("Not today")
    await card.get_by_role("button", name="Deny").click()

    await expect(card).to_contain_text("Which year?")
    await expect(card).to_contain_text("helper asks")
    chat, session = page.url, session_of(page)
    await page.goto(f"{dev.url}/sessions/{session}")
    waits = page.locator("[data-kind=ask]")
    await expect(waits).to_contain_text(["changed arguments", "Denied by local: Not today", "Waits for an answer"])
    link = page.get_by_role("link", name="Session of helper")
    await expect(link).to_have_attribute("href", f"/sessions/{session}~t1.s1.c1")
    await page.goto(chat)
    await card.get_by_label("year").fill("1999")
    await card.get_by_role("button", name="Send").click()
    await expect(page.locator(".answer", has_text="All done.")).to_be_visible()
    heard = [str(call.body["messages"][-1]) for call in provider.calls]
    assert "42" in heard[3]
    assert "Not today" in heard[3]
    assert "1999" in heard[5]
