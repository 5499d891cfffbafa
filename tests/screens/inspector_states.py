"""The inspector: its timeline, steps in full, and what went wrong."""

from typing import Any, Final

from tests.screens.chat_states import GROUP, HOTELS
from tests.screens.question_states import BOOK
from tests.screens.states import Scene, says, stalls, state


async def story(scene: Scene) -> str:
    """Two turns with calls, one of which fails, and a wait for a person between."""
    name, world = scene.name, scene.world
    first = says("I look at flights and the weather.", *GROUP, reasoning="Flights first, then the weather.")
    found = says("Flights begin at 184 €. I could not look at hotels.")
    session = await scene.begin("travel", f"What is there to Lisbon, {name}?", first, says("", HOTELS), found)
    await world.rest(session)
    await world.send(
        session, f"Book the first, {name}", says("I book it once you say so.", BOOK), says("It is booked.")
    )
    waiting = await world.until(session, lambda seen: bool(seen["questions"]))
    answer = {"question_id": waiting["questions"][0]["question_id"], "approved": True}
    await world.call("POST", f"/v1/sessions/{session}/answers", answer)
    await world.rest(session)
    return session


#: A person takes almost half an hour to answer.
WAITED: Final[dict[str, Any]] = {"clock": {"waited": 26}, "age": 40}


@state("inspector", **WAITED)
async def inspector(scene: Scene) -> None:
    await scene.inspect(await story(scene))
    await scene.see("#timeline", "Book the first")
    await scene.see("#timeline", "find_hotels")


@state("inspector-step", **WAITED)
async def inspector_step(scene: Scene) -> None:
    await scene.inspect(await story(scene), "t1.s1")
    await scene.see("#detail", "You plan trips")


@state("inspector-failed-tool", **WAITED)
async def inspector_failed_tool(scene: Scene) -> None:
    await scene.inspect(await story(scene), "t1.s2")
    await scene.see("#detail", "mended")


@state("inspector-works")
async def inspector_works(scene: Scene) -> None:
    reply = says("I look through your album.", ("read_photos", {"album": "Lisbon 2025"}))
    await scene.inspect(await scene.begin("travel", "Which of our photos show the sea?", reply))
    await scene.see("#timeline", "photo 18 of 40")


@state("inspector-failed-turn")
async def inspector_failed_turn(scene: Scene) -> None:
    refused = says(
        "", status=400, error="invalid_request_error", message="The prompt holds an image that cannot be read."
    )
    await scene.inspect(await scene.begin("assistant", "Does this work?", refused))
    await scene.see("#timeline", "cannot be read")


@state("inspector-step-streams")
async def inspector_step_streams(scene: Scene) -> None:
    session = await scene.begin(
        "assistant", "Tell me of the sea", stalls("The sea is wide and cold and salty and", after=8)
    )
    await scene.inspect(session, "t1.s1")
    await scene.see("#detail", "wide and cold")


@state("inspector-unknown")
async def inspector_unknown(scene: Scene) -> None:
    await scene.inspect("nobody-knows-it")
    await scene.see("#connection", "not here any more")


@state("inspector-rated")
async def inspector_rated(scene: Scene) -> None:
    session = await scene.begin("assistant", "How deep is the sea?", says("It is deep."))
    await scene.world.rest(session)
    given = {"turn_id": "t1", "score": -1, "text": "It names no number, and I asked how deep it is."}
    await scene.world.call("POST", f"/v1/sessions/{session}/feedback", given)
    await scene.inspect(session)
    await scene.see("#timeline", "names no number")
