"""The chat page: beginning, answers as they grow and end, messages, files, Markdown."""

import base64
from typing import Final

from playwright.async_api import FilePayload, expect

from tests.screens.states import Scene, says, stalls, state
from tests.support.browsing import type_in
from tests.support.pictures import pdf, picture

LISBON: Final = "A long weekend in Lisbon for two, at the end of May"
PLAN: Final = (
    "Three days are enough for the old town, Belém and a day at the sea.\n\n"
    "**Friday.** Arrive before noon, walk through Alfama, and take the tram up to Graça for the sunset.\n\n"
    "**Saturday.** Belém in the morning, while the queue at the monastery is short. Lunch at the market, then the tiles.\n\n"
    "**Sunday.** The train to Cascais takes 40 minutes. Swim, eat fish, and be back for dinner."
)
MARKDOWN: Final = r"""# Postage

A **parcel** of 3 kg costs `8` euros[^1], ~~9~~, see [the price list](https://www.example.com/prices).

> Prices are for letters and parcels within the country.

| To | Weight | Days | Price |
|:---|-------:|-----:|------:|
| Germany | 3 kg | 2 | 8.49 € |
| Portugal | 3 kg | 5 | 17.49 € |
| New Zealand | 3 kg | 12 | 48.99 € |

```python
def price(weight: float, days: int = 2) -> float:
    # Heavier parcels cost more.
    return 4.5 + weight * 1.33 if days > 1 else 12.0
```

- [x] packed
- [ ] sent
  1. by post
  2. by ship

The sum is \(\frac{a}{b}\), and in general

\[ \sum_{k=1}^{n} k = \frac{n(n+1)}{2} \]

[^1]: Without insurance.
"""
RTL: Final = (
    "## שלוש סיבות\n\nליסבון יפה **במאי**: האור, הים והלחם.\n\n1. האור\n2. הים\n3. הלחם\n\n"
    "```python\nprint('left to right')\n```\n\nوالطقس معتدل في الربيع."
)
GROUP: Final = (("search_flights", {"to": "Lisbon", "month": "May"}), ("weather", {"city": "Lisbon"}))
HOTELS: Final = ("find_hotels", {"city": "Lisbon"})


@state("welcome")
async def welcome(scene: Scene) -> None:
    await scene.chat()
    await scene.see("#agent")
    await scene.see("#sessions li")


async def open_sidebar(scene: Scene) -> None:
    await scene.page.locator("#open-sidebar").click()
    await expect(scene.page.locator("#sidebar")).to_be_in_viewport(ratio=1)


@state("welcome-inputs")
async def welcome_inputs(scene: Scene) -> None:
    await scene.chat()
    await scene.page.get_by_role("radio", name="support").check()
    await scene.see("form.inputs")


@state("empty", clock={"cast": []})
async def empty(scene: Scene) -> None:
    """For whom nothing has happened yet."""
    await scene.chat()
    await scene.see("#agent")
    await expect(scene.page.locator("#sessions li")).to_have_count(0)


@state("sidebar", phone=open_sidebar)
async def sidebar(scene: Scene) -> None:
    await scene.chat("lisbon")
    await scene.see(".answer", "Cascais")
    await scene.see("#sessions li", "photos")


@state("before-the-first-word")
async def before_the_first_word(scene: Scene) -> None:
    await scene.chat(await scene.begin("assistant", "Is it worth waiting?", says("Yes.", first_token=600)))
    await scene.see(".dots")


@state("streaming")
async def streaming(scene: Scene) -> None:
    await scene.chat(await scene.begin("assistant", "Plan a long weekend in Lisbon", stalls(PLAN, after=44)))
    await scene.see(".answer", "while the queue")


@state("reasoning")
async def reasoning(scene: Scene) -> None:
    thought = "They want three days, and May is mild, so a day at the sea is possible, and the museum for rain."
    await scene.chat(await scene.begin("assistant", "Three days in May?", stalls("Yes.", reasoning=thought, after=14)))
    await scene.see(".reasoning.busy")


@state("reasoning-unfolded")
async def reasoning_unfolded(scene: Scene) -> None:
    thought = "They ask for *one* place. Cascais is near, and has beaches and trains."
    session = await scene.begin("assistant", "One place by the sea?", says("Cascais, by train.", reasoning=thought))
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer", "Cascais")
    await scene.page.locator(".reasoning summary").first.click()
    await scene.see(".reasoning", "has beaches")


@state("tool-runs")
async def tool_runs(scene: Scene) -> None:
    reply = says("I look through your album.", ("read_photos", {"album": "Lisbon 2025"}))
    await scene.chat(await scene.begin("travel", "Which of our photos show trams?", reply))
    await scene.see("details.tool", "photo 18 of 40")


@state("tools")
async def tools(scene: Scene) -> None:
    await _tools(scene, "What are flights and hotels like?")


async def _tools(scene: Scene, text: str) -> None:
    first, second = says("I look at flights and the weather.", *GROUP), says("", HOTELS)
    found = says("Flights begin at **184 €**, and it is sunny. I could not look at hotels.")
    session = await scene.begin("travel", text, first, second, found)
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer", "could not look")
    await scene.see("button.run", "failed")


@state("tools-unfolded")
async def tools_unfolded(scene: Scene) -> None:
    await _tools(scene, "Flights and hotels, in detail?")
    await scene.page.locator("button.run").click()
    for tool in await scene.page.locator("details.tool > summary").all():
        await tool.click()
    await scene.see("details.tool[open]", "mended")


@state("sub-agent-works")
async def sub_agent_works(scene: Scene) -> None:
    task = "Which quarter of Lisbon is quiet at night?"
    scene.world.lines[task] = (stalls("Lapa and Estrela are quiet, have gardens, and are a short walk from", after=10),)
    reply = says("I ask somebody who knows the town.", ("researcher", {"message": task}))
    await scene.chat(await scene.begin("travel", "Where should we stay?", reply))
    await scene.see("details.agent", "Lapa")


@state("sub-agent-is-done")
async def sub_agent_is_done(scene: Scene) -> None:
    task = "Find a quiet quarter"
    scene.world.lines[task] = (says("", ("weather", {"city": "Lisbon"})), says("**Estrela**, by the garden."))
    reply = says("I ask somebody who knows the town.", ("researcher", {"message": task}))
    session = await scene.begin("travel", "Where is it quiet?", reply, says("Stay in Estrela, by the garden."))
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer", "Stay in Estrela")
    await scene.page.locator("details.agent > summary").click()
    await scene.see("details.agent", "Estrela, by the garden")


@state("stopped")
async def stopped(scene: Scene) -> None:
    session = await scene.begin(
        "assistant", "Tell me everything about trams", stalls("Trams are older than buses.", after=4)
    )
    await scene.chat(session)
    await scene.see(".answer", "Trams are")
    await scene.page.locator("#stop").click()
    await scene.see(".outcome", "Stopped")


@state("failed")
async def failed(scene: Scene) -> None:
    refused = says(
        "", status=400, error="invalid_request_error", message="The prompt holds an image that cannot be read."
    )
    await scene.chat(await scene.begin("assistant", "Will this work?", refused))
    await scene.see(scene.page.get_by_role("button", name="Try again"))


@state("interrupted")
async def interrupted(scene: Scene) -> None:
    session = await scene.begin(
        "assistant", "Tell me about Porto", stalls("Porto lies at the mouth of the Douro,", after=6)
    )
    await scene.chat(session)
    await scene.see(".answer", "mouth of")
    await scene.page.locator("#message").fill("No, about Lisbon")
    scene.world.lines["No, about Lisbon"] = (says("Lisbon lies at the Tagus."),)
    await scene.page.keyboard.press("Control+Enter")
    await scene.see(".answer", "at the Tagus")
    await scene.see(".outcome", "Interrupted")


@state("closed")
async def closed(scene: Scene) -> None:
    session = await scene.begin("assistant", "What is 6 times 7?", says("It is 42."))
    await scene.world.rest(session)
    await scene.world.call("DELETE", f"/v1/sessions/{session}")
    await scene.chat(session)
    await scene.see(".answer", "It is 42.")
    await expect(scene.page.locator("#message")).to_be_disabled()


@state("branches")
async def branches(scene: Scene) -> None:
    await _branched(scene, "Three words for the sea?")


async def _branched(scene: Scene, text: str) -> None:
    session = await scene.begin("assistant", text, says("Wide, cold, salty."))
    await scene.world.rest(session)
    other = f"{text} In Portuguese, please."
    scene.world.lines[other] = (says("Largo, frio, salgado."),)
    await scene.chat(session)
    await scene.see(".answer", "salty")
    await scene.press("Edit this message")
    await scene.page.get_by_label("New text of this message").fill(other)
    await scene.page.keyboard.press("Enter")
    await scene.see(".answer", "salgado")
    await scene.see(".said .arrows", "2/2")


@state("edit")
async def edit(scene: Scene) -> None:
    session = await scene.begin("assistant", LISBON, says(PLAN))
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer", "Cascais")
    await scene.press("Edit this message")
    await scene.see(scene.page.get_by_label("New text of this message"))


@state("queue")
async def queue(scene: Scene) -> None:
    await _queue(scene, "Tell me about the tram")


async def _queue(scene: Scene, text: str) -> None:
    session = await scene.begin("assistant", text, stalls("The 28 climbs the hills of the old town and", after=8))
    await scene.chat(session)
    await scene.see(".answer", "the hills")
    await scene.page.locator("#busy").get_by_text("Queue", exact=True).click()
    for said in ("And where does it begin?", "Is there a ticket for a day?"):
        await type_in(scene.page, said)
    await expect(scene.page.locator("#queue li")).to_have_count(2)
    await expect(scene.page.locator("#queue li").last.get_by_role("button", name="Withdraw")).to_have_count(1)


@state("queue-edit", looks=("light",))
async def queue_edit(scene: Scene) -> None:
    await _queue(scene, "Tell me about the lifts")
    await scene.page.locator("#queue li").first.get_by_role("button", name="Edit this message").click()
    await scene.see(scene.page.get_by_label("Edit the message that waits"))


async def unfold_queue(scene: Scene) -> None:
    await scene.press("Show the messages that wait")
    await scene.see("#queue li")


@state("queue-unfolded", looks=("phone",), phone=unfold_queue)
async def queue_unfolded(scene: Scene) -> None:
    await _queue(scene, "Tell me about the ferries")


@state("attachments")
async def attachments(scene: Scene) -> None:
    await scene.chat()
    await scene.see("#agent")
    await scene.page.locator("#file-input").set_input_files(
        [
            FilePayload(name="tram.png", mimeType="image/png", buffer=picture("PNG", (320, 200), (210, 150, 30))),
            FilePayload(name="tickets.pdf", mimeType="application/pdf", buffer=pdf()),
            FilePayload(name="what.bin", mimeType="application/octet-stream", buffer=b"\0\1\2"),
        ]
    )
    await expect(scene.page.locator("#attachments li[data-state=ready]")).to_have_count(2)
    await scene.see("#attachments li[data-state=failed]", "no known type")


@state("files")
async def files(scene: Scene) -> None:
    tram = base64.b64encode(picture("PNG", (320, 200), (210, 150, 30))).decode()
    paper = base64.b64encode(pdf()).decode()
    parts = [
        {"type": "text", "text": "What is on this picture?"},
        {"type": "file", "uri": f"data:image/png;base64,{tram}", "media_type": "image/png", "name": "tram.png"},
        {
            "type": "file",
            "uri": f"data:application/pdf;base64,{paper}",
            "media_type": "application/pdf",
            "name": "tickets.pdf",
        },
    ]
    answer = says("A yellow tram, and an empty page.")
    session = await scene.begin("assistant", "What is on this picture?", answer, parts=parts)
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".said img")
    await scene.see(".answer", "yellow tram")


@state("markdown")
async def markdown(scene: Scene) -> None:
    session = await scene.begin("assistant", "What does a parcel cost?", says(MARKDOWN))
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer math")
    await scene.see(".answer td", "48.99")
    # The end of it is what a session opens with.
    await scene.page.locator("#scroll").evaluate("(one) => { one.scrollTop = 0; }")


@state("markdown-end")
async def markdown_end(scene: Scene) -> None:
    session = await scene.begin("assistant", "What does it cost to send a parcel?", says(MARKDOWN))
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer math")


@state("right-to-left")
async def right_to_left(scene: Scene) -> None:
    session = await scene.begin("assistant", "למה ליסבון?", says(RTL))
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer", "סיבות")


@state("todo")
async def todo(scene: Scene) -> None:
    steps = (("Find flights", "done"), ("Find a hotel by the garden", "doing"), ("Book both", "pending"))
    items = [{"text": text, "status": status} for text, status in steps]
    begun = stalls("Flights are found. Now I look for a hotel", after=6)
    await scene.chat(await scene.begin("travel", "Book our trip", says("", ("todo", {"items": items})), begun))
    await scene.see("#todo li", "by the garden")
    await scene.see(".answer", "are found")


@state("rated")
async def rated(scene: Scene) -> None:
    """One answer was good; of the other the page asks what was wrong."""
    session = await scene.begin("assistant", "What colour is the sea?", says("It is blue, and grey in winter."))
    await scene.world.rest(session)
    await scene.world.send(session, "And how deep is it?", says("It is deep."))
    await scene.world.rest(session)
    await scene.chat(session)
    await scene.see(".answer", "It is deep.")
    good = scene.page.get_by_role("button", name="Good answer").first
    await good.click()
    await expect(good).to_have_attribute("aria-pressed", "true")
    await scene.page.get_by_role("button", name="Bad answer").last.click()
    await scene.see(".why-bad textarea")


async def show_summary(scene: Scene) -> None:
    await scene.page.locator("details.summary").scroll_into_view_if_needed()


@state("summary", phone=show_summary)
async def summary(scene: Scene) -> None:
    told = says("Ships find their way by the stars.", input_tokens=2500)
    session = await scene.begin("forgetful", "Tell me a long story of ships and storms. " * 90, told)
    await scene.world.rest(session)
    await scene.world.send(session, "And on with it", told)
    await scene.world.rest(session)
    await scene.chat(session)
    fold = await scene.see("details.summary", "Earlier conversation summarised")
    await fold.locator("summary").click()
    await scene.see("details.summary[open]")


@state("unknown-session")
async def unknown_session(scene: Scene) -> None:
    await scene.chat("nobody-knows-it")
    await scene.see("[role=alert]", "not here any more")


@state("no-worker", apart=True)
async def no_worker(scene: Scene) -> None:
    await scene.goto("/", await scene.world.alone)
    await scene.see("#agent")
    await type_in(scene.page, "Is anybody there?")
    await scene.see("#workers", "No worker is running")
    await scene.see(scene.page.get_by_text("Is anybody there?"))


@state("refused-definition", late=True)
async def refused_definition(scene: Scene) -> None:
    text = (scene.world.agents / "travel.yaml").read_text(encoding="utf-8")
    (scene.world.agents / "parcels.yaml").write_text(
        text.replace("name: travel", "name: parcels")
        .replace("model: main", "modell: main", 1)
        .replace("- weather", "- wether"),
        encoding="utf-8",
    )
    await scene.chat()
    await scene.see("#refused", "did you mean 'model'?")
