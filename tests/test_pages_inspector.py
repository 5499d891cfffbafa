"""The inspector in real Chromium: its time line, its ways to a turn, a step in full, forks, keys."""

from typing import Any

import httpx2
import pytest
from playwright.async_api import Locator, Page, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.accessibility import grave_faults

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

_HEAD = "models: {main: {use: anthropic/claude-sonnet-5-5}, small: {use: anthropic/claude-haiku-5-5}}\nmodel: main"


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    asking = "tools: [calculator: {approval: always}, fetch_url]"
    return {
        "desk.yaml": f"name: desk\n{_HEAD}\ninstructions: A desk.\n{asking}",
        "shop.yaml": f"name: shop\n{_HEAD}\ninstructions: A shop.",
        "unkeyed.yaml": "name: unkeyed\nmodels: {main: {use: openai/gpt-6.1-terra}}\nmodel: main\ninstructions: Hi.",
    }


def calls(name: str, **args: Any) -> Reply:
    return Reply(text="Let me see.", tools=((name, args),))


async def begun(http: httpx2.AsyncClient, agent: str, *said: str) -> str:
    """The id of a session in which this was said and answered."""
    session: str = (await http.post("/v1/sessions", json={"agent": agent})).json()["session_id"]
    for text in said:
        await tell(http, session, text)
    return session


async def tell(http: httpx2.AsyncClient, session: str, text: str) -> dict[str, Any]:
    answer = await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": text})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def row(page: Page, step: str) -> Locator:
    return page.locator(f"button.row[data-step='{step}']").first


async def test_a_wait_is_folded_and_a_failed_tool_says_why(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(
        calls("fetch_url", url="http://localhost:1/"),
        Reply(text="It is not there."),
        calls("calculator", expression="6*7"),
    )
    session = await begun(http, "desk", "ما هذا؟")
    waits = await tell(http, session, "six times seven")
    await page.goto(f"{dev.url}/sessions/{session}")
    turn = page.locator("#turn-t2")
    # As soon as the wait is long beside the work, it is folded while it goes on.
    await expect(turn.locator(".axis .cut")).to_be_visible()
    provider.script(Reply(text="It is 42."))
    answer = {"question_id": waits["questions"][0]["question_id"], "approved": True}
    await http.post(f"/v1/sessions/{session}/answers", json=answer)
    await expect(row(page, "t2.s2")).to_be_visible()
    whole, wait = await turn.locator(".track").first.bounding_box(), await turn.locator(".bar.ask").bounding_box()
    assert whole is not None
    assert wait is not None
    assert wait["width"] < whole["width"] * 0.1

    first = page.locator("#turn-t1")
    await expect(first.locator(".row-error:visible")).to_contain_text("fetch_refused")
    await expect(first.get_by_role("button", name="Tool, failed: fetch_url")).to_be_visible()
    assert await first.locator(".said").evaluate("(node) => getComputedStyle(node).direction") == "rtl"
    assert await grave_faults(page, "a time line") == []


async def test_a_step_is_drawn_as_waiting_until_its_first_token(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(
        Reply(text="Never.", fault="stall", fault_after=0), Reply(text="At last. Or not.", fault="stall", fault_after=2)
    )
    session = await begun(http, "desk")
    path = f"/v1/sessions/{session}"
    await http.post(f"{path}/messages", json={"text": "well?"})
    await page.goto(f"{dev.url}/sessions/{session}#step=t1.s1")
    answer = page.locator("#detail .answer")
    await expect(page.locator(".bar.first.running")).to_be_visible()
    await expect(page.locator(".bar.stream")).to_have_count(0)
    await expect(answer).to_have_text("Waiting for the first token.")
    await http.post(f"{path}/stop", json={})
    await expect(answer).to_have_text("The model gave no answer.")
    await expect(page.locator("#detail .facts")).to_contain_text("Somebody stopped it")

    await http.post(f"{path}/messages", json={"text": "and now?"})
    await expect(page.locator("#turn-t2 .bar.stream.running")).to_be_visible()
    await row(page, "t2.s1").click()
    await expect(answer).to_contain_text("At last.")
    await expect(answer).not_to_contain_text("Waiting")
    await http.post(f"{path}/stop", json={})
    await expect(page.locator("#detail .facts")).to_contain_text("Somebody stopped it")
    await expect(answer).to_contain_text("At last.")


async def test_a_long_session_opens_at_its_end_and_every_place_is_a_jump_away(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(
        calls("fetch_url", url="http://localhost:1/"),
        Reply(text="It is not there."),
        Reply(text="A dear one.", input_tokens=90_000, output_tokens=9_000),
    )
    session = await begun(http, "desk", *(f"question {number}" for number in range(1, 71)))
    await page.goto(f"{dev.url}/sessions/{session}")
    await expect(page.locator("#turn-t70")).to_be_in_viewport()
    await expect(page.locator("#turn-t1")).to_have_count(0)

    await page.keyboard.press("f")
    await expect(page.locator("#jumped")).to_have_text("Failure 1 of 1")
    await expect(page.locator("button.row[data-call='t1.s1.c1']")).to_be_focused()
    await expect(page.locator("#turn-t1")).to_be_in_viewport()
    await page.keyboard.press("n")
    await expect(page.locator("#turn-t70")).to_be_in_viewport()
    await page.get_by_role("button", name="Dearest").click()
    await expect(row(page, "t2.s1")).to_be_focused()

    # The address of a step leads to it, also where its turn is not loaded at first.
    await page.goto(f"{dev.url}/")
    await page.goto(f"{dev.url}/sessions/{session}#step=t3.s1")
    await expect(page.locator("#turn-t3")).to_be_in_viewport()
    await expect(page.locator("#detail")).to_contain_text("New in the prompt since step t2.s1")


async def test_a_step_is_compared_with_the_one_before(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(Reply(text="First answer."), Reply(text="Second answer.", input_tokens=100, cached_tokens=80))
    session = await begun(http, "desk", "first question", "second question")
    await page.goto(f"{dev.url}/sessions/{session}")
    await row(page, "t2.s1").click()
    changes = page.locator("#detail .changes")
    await expect(changes).to_contain_text("New in the prompt since step t1.s1")
    await expect(changes.locator(".change.added")).to_have_count(2)
    await expect(changes).to_contain_text("First answer.")
    await expect(changes).to_contain_text("second question")
    await expect(changes).not_to_contain_text("first question")
    await expect(changes).to_contain_text("The same as before: 1 message, the instructions, 2 tools, the model.")
    await expect(page.locator("#detail .meter")).to_contain_text("80 % served from the provider’s cache")
    await page.get_by_role("button", name="The step before").click()
    await expect(page.locator("#detail .answer")).to_have_text("First answer.")
    await expect(changes).to_contain_text("All of it: this is the first step")


async def test_keys_lead_through_the_steps(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(
        Reply(text="One."),
        calls("fetch_url", url="http://localhost:1/"),
        Reply(text="Two."),
        Reply(status=401, error="authentication_error", message="This key is not known."),
    )
    session = await begun(http, "desk", "one", "two", "three")
    await page.goto(f"{dev.url}/sessions/{session}#turn=t1")
    await expect(page.locator("#turn-t1")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(row(page, "t2.s1")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("button.row[data-call='t2.s1.c1']")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    detail = page.locator("#detail")
    await expect(detail).to_contain_text("Step t2.s2")
    await expect(detail).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(detail).to_be_hidden()
    await expect(row(page, "t2.s2")).to_be_focused()
    assert "#" not in page.url
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(detail.locator(".answer")).to_have_text(
        "This turn failed. Anthropic does not accept the API key in ANTHROPIC_API_KEY (401)"
    )
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("What failed, newest first")
    faults = await grave_faults(page, "the list of keys")
    await page.keyboard.press("Escape")
    await expect(detail).to_be_focused()
    await page.set_viewport_size({"width": 390, "height": 664})
    faults += await grave_faults(page, "a step on a phone")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    assert faults == []
    await page.keyboard.press("Escape")
    cut = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    labels = page.locator(".row .label")
    assert await labels.evaluate_all(cut) == []
    await expect(labels.filter(has_text="claude-sonnet-5-5").first).to_be_visible()
    await page.keyboard.press("c")
    await expect(page.locator("#transcript")).to_contain_text("Two.")


async def test_a_fork_is_chosen_before_it_is_made(
    page: Page, dev: Any, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    session = await begun(http, "desk", "one", "two")
    await page.goto(f"{dev.url}/sessions/{session}")
    await page.locator("#turn-t2").get_by_role("button", name="Fork from here").click()
    dialog = page.get_by_role("dialog", name="Fork the session")
    await dialog.get_by_label("Agent").select_option("shop")
    await dialog.get_by_label("Model").select_option("small")
    await dialog.get_by_label("Message").fill("two, but otherwise")
    assert await grave_faults(page, "the fork") == []
    provider.script(Reply(text="Otherwise."))
    await dialog.get_by_role("button", name="Fork", exact=True).click()
    await expect(page.locator("#facts a")).to_have_text(f"{session}, t2")
    await expect(page.locator("#agent-name")).to_have_text("shop")
    await expect(page.locator("#turn-t2")).to_contain_text("two, but otherwise")
    await expect(page.locator("#turn-t2")).to_contain_text("claude-haiku-5-5")
    await row(page, "t2.s1").click()
    await expect(page.locator("#detail .answer")).to_have_text("Otherwise.")
    instructions = page.locator("#detail .changes .lines").first
    await expect(instructions.locator("del")).to_contain_text("A desk.")
    await expect(instructions.locator("ins")).to_contain_text("A shop.")


async def test_the_demo_model_bears_its_own_name(page: Page, dev: Any, http: httpx2.AsyncClient) -> None:
    session = await begun(http, "unkeyed", "hello")
    await page.goto(f"{dev.url}/sessions/{session}")
    await expect(page.locator("#facts")).to_contain_text("Demo model, in place of gpt-6.1-terra")
    await expect(row(page, "t1.s1").locator(".label")).to_have_text("Demo model")
