"""Messages on the chat page in real Chromium: while the agent works, while it asks, and once more after it is done."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import choose, say, session_of, type_in

pytestmark = [pytest.mark.server, pytest.mark.browser]

#: Goes on until it is stopped.
ENDLESS = Reply(text="and on and on", fault="stall", fault_after=3)
CAPPED = """
name: capped
models: {main: {use: anthropic/claude-sonnet-5-5, max_output_tokens: 1000, price: {input: 3, output: 15}}}
model: main
instructions: Help.
limits: {session: {cost_usd: 0.0005}}
"""
SHORT = """
name: short
models: {main: {use: anthropic/claude-sonnet-5-5, context_window: 3000, max_output_tokens: 500}}
model: main
instructions: Help.
context: {compact_at: 0.6, keep_recent: 0.1, summarizer: main}
"""
UNDOING = """
name: undoing
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools:
  - calculator: {side_effects: once, undo: current_time}
  - current_time
"""
AGENT = """
name: assistant
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
busy: steer
tools: [calculator: {approval: always}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"assistant.yaml": AGENT, "capped.yaml": CAPPED, "short.yaml": SHORT, "undoing.yaml": UNDOING}


async def test_messages_wait_in_sight_and_are_edited_withdrawn_and_sent_at_once(
    page: Page, provider: FakeProvider
) -> None:
    provider.script(ENDLESS, Reply(text="At once."), Reply(text="In turn."))
    await say(page, "begin")
    await expect(page.locator(".answer")).to_contain_text("and on")
    await expect(page.get_by_role("radio", name="Steer")).to_be_checked()
    await choose(page, "Queue")
    for text in ("wait for me", "never mind", "hurry"):
        await type_in(page, text)
    rows = page.locator("#queue li")
    await expect(rows).to_have_count(3)
    await expect(page.locator(".queue-head")).to_contain_text("3 messages wait for this turn to end")
    await rows.nth(0).get_by_role("button", name="Edit this message").click()
    await page.get_by_label("Edit the message that waits").fill("wait for me, please")
    await page.keyboard.press("Enter")
    await expect(rows.nth(0)).to_contain_text("wait for me, please")
    await rows.nth(1).get_by_role("button", name="Withdraw").click()
    await expect(rows).to_have_count(2)
    await rows.nth(1).get_by_role("button", name="Send it now").click()

    await expect(page.locator(".outcome").first).to_contain_text("Interrupted by a newer message")
    await expect(page.locator(".user")).to_have_text(["begin", "hurry", "wait for me, please"])
    await expect(page.locator(".answer", has_text="In turn.")).to_be_visible()
    await expect(page.locator("#queue")).to_be_hidden()
    await expect(page.locator("#busy")).to_be_hidden()
    # What was said last comes back into the empty box.
    await page.locator("#message").press("ArrowUp")
    await expect(page.locator("#message")).to_have_value("wait for me, please")


async def test_on_a_small_screen_messages_that_wait_are_one_line_below_the_question(
    page: Page, provider: FakeProvider
) -> None:
    await page.set_viewport_size({"width": 390, "height": 664})
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)), Reply(text="The other one."))
    await say(page, "go")
    approve = page.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()
    await choose(page, "Queue")
    for text in ("wait for me " * 10, "never mind", "hurry"):
        await type_in(page, text)
    await expect(page.locator(".queue-head")).to_contain_text("3 messages wait for your approval first")
    rows, fold = page.locator("#queue li"), page.locator(".queue-fold")
    await expect(rows.first).to_be_hidden()
    await expect(page.locator("form.card")).to_be_in_viewport(ratio=1)
    await expect(page.get_by_label("Allow this tool")).to_be_in_viewport(ratio=1)

    await page.get_by_role("button", name="Show the messages that wait").press("Enter")
    await expect(fold).to_have_attribute("aria-expanded", "true")
    await expect(fold).to_be_focused()
    await expect(rows.last).to_be_visible()
    for text in ("more", "and more", "and still more", "and more than that"):
        await type_in(page, text)
    await expect(rows).to_have_count(7)
    # However many there are, what they wait for stays in sight.
    await page.get_by_role("button", name="Show it").click()
    await expect(rows.first).to_be_hidden()
    await expect(approve).to_be_in_viewport(ratio=1)
    await approve.click()
    await expect(page.locator(".settled")).to_have_text("Approved by local")


async def test_keys_interrupt_and_stop(page: Page, provider: FakeProvider) -> None:
    provider.script(ENDLESS, ENDLESS, Reply(text="Here."))
    await say(page, "begin")
    await expect(page.locator(".answer")).to_contain_text("and on")
    await type_in(page, "the other account", "Control+Enter")
    await expect(page.locator(".outcome").first).to_contain_text("Interrupted by a newer message")
    await expect(page.locator(".answer")).to_have_count(2)
    await expect(page.locator(".answer").last).to_contain_text("and on")
    await page.keyboard.press("Escape")
    await expect(page.locator(".outcome").last).to_contain_text("Stopped.")
    await expect(page).to_have_title("begin · Perdure")


async def test_a_message_while_a_question_is_open_says_so_and_steers_past_it(
    page: Page, provider: FakeProvider
) -> None:
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)), Reply(text="The other one."))
    await say(page, "go")
    await expect(page.locator("form.card")).to_be_visible()
    await expect(page).to_have_title("Needs you · go · Perdure")
    await expect(page.locator("#announcement")).to_contain_text("calculator asks to run")
    await choose(page, "Queue")
    await type_in(page, "wait, the other account")
    await expect(page.locator(".queue-head")).to_contain_text("waits for your approval first")
    await page.get_by_role("button", name="Show it").click()
    await expect(page.get_by_role("button", name="Approve")).to_be_focused()
    await page.get_by_role("button", name="Withdraw").click()
    await expect(page.locator("#queue")).to_be_hidden()
    await choose(page, "Steer")
    await type_in(page, "the other account")
    await expect(page.locator(".settled")).to_have_text("Taken back: a newer message came instead")
    await expect(page.locator(".turn")).to_have_count(1)
    await expect(page.locator(".answer", has_text="The other one.")).to_be_visible()


async def test_other_words_and_other_answers_are_branches_to_go_between(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="An answer."), Reply(text="To other words."), Reply(text="Given again."))
    await say(page, "some words")
    await expect(page.locator(".answer")).to_have_text("An answer.")
    await page.get_by_role("button", name="Edit this message").click()
    await page.get_by_label("New text of this message").fill("other words")
    await page.keyboard.press("Enter")
    await expect(page.locator(".answer")).to_have_text("To other words.")
    await expect(page.locator(".user")).to_have_text("other words")
    await expect(page.locator(".said .arrows")).to_have_text("2/2")
    await page.get_by_role("button", name="Answer again").click()
    await expect(page.locator(".answer")).to_have_text("Given again.")
    await expect(page.locator(".turn-footer .arrows")).to_have_text("2/2")

    await page.get_by_role("button", name="Earlier branch").first.press("Enter")
    await expect(page.locator(".user")).to_have_text("some words")
    await expect(page.locator(".answer")).to_have_text("An answer.")
    await page.reload()
    await expect(page.locator(".said .arrows")).to_have_text("1/2")
    await expect(page.locator(".answer")).to_have_text("An answer.")
    await page.get_by_role("button", name="Later branch").click()
    await expect(page.locator(".answer")).to_have_text("Given again.")


async def test_boxes_stay_as_high_as_their_text_where_the_window_narrows(page: Page, provider: FakeProvider) -> None:
    words = "one two three four five six seven eight nine ten " * 2
    provider.script(Reply(text="An answer."))
    await say(page, words)
    await expect(page.locator(".answer")).to_have_text("An answer.")
    await page.get_by_role("button", name="Edit this message").click()
    await page.locator("#message").fill(words)
    boxes = [page.get_by_label("New text of this message"), page.locator("#message")]
    wide = [await box.evaluate("(box) => box.clientHeight") for box in boxes]
    await page.set_viewport_size({"width": 390, "height": 800})
    for box, before in zip(boxes, wide, strict=True):
        is_whole = "([box, before]) => box.clientHeight > before && box.scrollHeight <= box.clientHeight"
        await page.wait_for_function(is_whole, arg=[await box.element_handle(), before])


async def test_going_back_asks_before_it_takes_calls_back_and_leaves_all_as_it_is_if_told_so(
    page: Page, provider: FakeProvider
) -> None:
    call = Reply(text="", tools=(("calculator", {"expression": "6*7"}),))
    provider.script(call, Reply(text="It is done."), Reply(text="Something else."))
    await page.get_by_role("radio", name="undoing").check()
    await say(page, "do it")
    await expect(page.locator(".answer", has_text="It is done.")).to_be_visible()
    card = page.locator("form.card")
    for decide in ("Leave all as it is", "Take back and go on"):
        await page.get_by_role("button", name="Edit this message").click()
        await page.get_by_label("New text of this message").fill("something else")
        await page.keyboard.press("Enter")
        await expect(card).to_contain_text("Will be taken back")
        await expect(card).to_contain_text("calculator by current_time")
        await expect(page.locator("#announcement")).to_contain_text("Going back needs your approval")
        await card.get_by_role("button", name=decide).click()
        await expect(card).to_be_hidden()
        if decide == "Leave all as it is":
            await expect(page.locator(".settled")).to_have_text("Left as it was by local")
            # The turn that only asked has neither numbers nor anything to do with it.
            await expect(page.locator(".turn")).to_have_count(2)
            await expect(page.locator(".turn-footer").last).to_be_hidden()
            await expect(page.locator(".turn-footer").first).to_contain_text("tokens")
            await expect(page.locator(".user")).to_have_text("do it")
    await expect(page.locator(".user")).to_have_text("something else")
    await expect(page.locator(".answer")).to_have_text("Something else.")
    await expect(page.get_by_text("Taken back: calculator, by current_time")).to_be_visible()

    # There and back again, the note of what was taken back looks like no turn that works.
    await page.get_by_role("button", name="Earlier branch").first.click()
    await expect(page.locator(".user")).to_have_text("do it")
    await expect(page.locator("#busy")).to_be_hidden()
    await expect(page.get_by_text("Working", exact=False)).to_have_count(0)


async def test_a_failed_turn_is_run_on_without_being_said_again(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(status=400, error="invalid_request_error", message="Not today."), Reply(text="Today."))
    await say(page, "will it")
    await expect(page.locator(".outcome")).to_contain_text("Not today.")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".answer", has_text="Today.")).to_be_visible()
    await expect(page.locator(".outcome")).to_be_hidden()
    await expect(page.locator(".user")).to_have_text("will it")


async def test_a_limit_is_raised_and_the_turn_goes_on(page: Page, provider: FakeProvider) -> None:
    provider.script(Reply(text="Within the limit."))
    await page.get_by_role("radio", name="capped").check()
    await say(page, "is it dear")
    card = page.locator("form.card")
    await expect(card).to_contain_text("This session’s cost limit is reached")
    await card.get_by_label("New limit, in dollars").fill("2")
    await page.keyboard.press("Enter")
    await expect(page.locator(".settled")).to_have_text("This session’s cost limit raised to $2.00 by local")
    await expect(page.locator(".answer", has_text="Within the limit.")).to_be_visible()


async def test_a_summary_of_earlier_conversation_is_a_line_that_unfolds(
    page: Page, dev: Any, provider: FakeProvider
) -> None:
    provider.default(Reply(text="We spoke of ships.", input_tokens=2500))
    await page.get_by_role("radio", name="short").check()
    await say(page, "a long story " * 200)
    await expect(page.locator(".answer").first).to_contain_text("ships")
    await say(page, "and on")
    fold = page.locator("details.summary").first
    await expect(fold).to_contain_text("Earlier conversation summarised")
    await fold.locator("summary").press("Enter")
    await expect(fold.locator(".summary-body")).to_contain_text("We spoke of ships.")
    await expect(page.locator(".user").first).to_be_visible()
    await page.goto(f"{dev.url}/sessions/{session_of(page)}")
    await page.locator(".folded-past button.row").first.click()
    await expect(page.locator("#detail")).to_contain_text("Summary k1")
    await page.locator("button.row[data-step='t2.s1']").click()
    await expect(page.locator("#detail .not-given")).to_contain_text("in their place stands the summary k1")
