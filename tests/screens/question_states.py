"""The chat page: what it asks people, and what became of it."""

from typing import Final

from playwright.async_api import expect

from tests.screens.states import Scene, says, state

BOOK: Final = ("book_flight", {"flight": "TP 533", "passengers": 2})
FORM: Final = {
    "prompt": "Who travels, and how?",
    "fields": [
        {"name": "full_name", "type": "text", "required": True},
        {"name": "age", "type": "number"},
        {"name": "seat", "type": "choice", "options": ["window", "aisle"], "required": True},
        {"name": "luggage", "label": "Do you take a suitcase?", "type": "boolean"},
        {"name": "day", "type": "date"},
    ],
}


@state("approval")
async def approval(scene: Scene) -> None:
    await _asks(scene, "Book the early flight")


async def _asks(scene: Scene, text: str, end: str = "It is booked.") -> None:
    session = await scene.begin("travel", text, says("I book it once you say so.", BOOK), says(end))
    await scene.chat(session)
    await scene.see("form.card", "book_flight")
    await expect(scene.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()


@state("approval-edit")
async def approval_edit(scene: Scene) -> None:
    await _asks(scene, "Book the early flight, for us both")
    await scene.press("Edit")
    await scene.see(scene.page.get_by_label("passengers"))


@state("approval-and-queue")
async def approval_and_queue(scene: Scene) -> None:
    await _asks(scene, "Book the early flight, please")
    await scene.page.locator("#message").fill("And a taxi to the airport")
    await scene.page.keyboard.press("Enter")
    await expect(scene.page.locator("#queue li")).to_have_count(1)


@state("approved")
async def approved(scene: Scene) -> None:
    await _asks(scene, "Book it")
    await scene.press("Approve")
    await scene.see(".answer", "It is booked.")
    await scene.see(".settled", "Approved")


@state("denied")
async def denied(scene: Scene) -> None:
    await _asks(scene, "Book whatever is cheap", "Then I book nothing.")
    await scene.page.get_by_label("Reason, if you deny").fill("Too early for us")
    await scene.press("Deny")
    await scene.see(".settled", "Too early for us")
    await scene.see(".answer", "Then I book nothing.")


@state("form")
async def form(scene: Scene) -> None:
    await scene.chat(
        await scene.begin("travel", "Two tickets, please", says("", ("ask_user", FORM)), says("Thank you."))
    )
    await scene.see("form.card", "Who travels")


@state("answered-unfolded")
async def answered_unfolded(scene: Scene) -> None:
    """The calls of a form that was answered and of a list, opened."""
    items = [{"text": "Ask who travels", "status": "done"}, {"text": "Book the tickets", "status": "doing"}]
    asked, listed = says("", ("ask_user", FORM)), says("", ("todo", {"items": items}))
    session = await scene.begin("travel", "Two tickets for us", asked, listed, says("I book them now."))
    await scene.chat(session)
    card = await scene.see("form.card", "Who travels")
    await card.get_by_label("Full name").fill("Ana Sousa")
    await card.get_by_label("aisle").check()
    await card.get_by_label("Yes").check()
    await scene.press("Send")
    await scene.see(".answer", "book them now")
    for call in await scene.page.locator("details.tool > summary").all():
        await call.click()
    await scene.see("details.tool[open] .todo-list", "Book the tickets")


@state("client-tool")
async def client_tool(scene: Scene) -> None:
    asked = says("Pick the days.", ("pick_dates", {"month": "May"}))
    await scene.chat(await scene.begin("travel", "When could we go?", asked, says("Thank you.")))
    await scene.see("form.card", "pick_dates")


@state("sub-agent-asks")
async def sub_agent_asks(scene: Scene) -> None:
    task = "Ask which quarter they like"
    question = {
        "prompt": "Lapa or Estrela?",
        "fields": [{"name": "quarter", "type": "choice", "options": ["Lapa", "Estrela"]}],
    }
    scene.world.lines[task] = (says("", ("ask_user", question)), says("Thank you."))
    reply = says("", ("researcher", {"message": task}))
    await scene.chat(await scene.begin("travel", "Which quarter?", reply, says("Done.")))
    await scene.see("form.card", "Lapa or Estrela?")


@state("budget")
async def budget(scene: Scene) -> None:
    await scene.chat(await scene.begin("thrifty", "What would a year in Lisbon cost?", says("Much.")))
    await scene.see("form.card", "cost limit is reached")


@state("no-credit")
async def no_credit(scene: Scene) -> None:
    """The account at the provider is used up."""
    spent = says("", status=400, error="invalid_request_error", message="Your credit balance is too low.")
    await scene.chat(await scene.begin("assistant", "Is there money left?", spent))
    await scene.see("form.card")
