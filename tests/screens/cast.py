"""The sessions that the sidebar lists in the pictures: all kinds, and of all ages."""

import asyncio
from typing import Final

from tests.screens.chat_states import LISBON, PLAN
from tests.screens.states import says
from tests.screens.world import World
from tests.support.browsing import WAIT_MS

#: The status that each is listed with.
_STATUS: Final = {
    "lisbon": "idle",
    "photos": "working",
    "refund": "waiting",
    "norway": "idle",
    "menu": "closed",
    "broken": "idle",
    "verbs": "idle",
}
_HOUR: Final = 60
_DAY: Final = 24 * _HOUR


async def gather_cast(world: World) -> None:
    """Returns once the gateway lists them all as they are to be."""
    refused = says(
        "", status=400, error="invalid_request_error", message="The prompt holds an image that cannot be read."
    )
    photos = says("", ("read_photos", {"album": "All"}))
    refund = says("", ("issue_refund", {"order_id": "A-1002", "amount": 180, "reason": "It came broken"}))
    await asyncio.gather(
        world.plant("lisbon", "travel", LISBON, says(PLAN)),
        world.plant("photos", "travel", "Sort the photos of our last trip by place", photos),
        world.plant("refund", "support", "The lamp of order A-1002 came broken, I want my money back", refund),
        world.plant("norway", "assistant", "How long is Norway from end to end?", says("About 1,750 km.")),
        world.plant("menu", "assistant", "Translate this menu into English", says("Soup, fish and cake.")),
        world.plant("broken", "assistant", "Summarise the minutes of Monday", refused),
        world.plant("verbs", "assistant", "Ten irregular verbs in Portuguese", says("Ser, estar, ter, ir, vir.")),
    )
    await world.rest("menu")
    await world.call("DELETE", "/v1/sessions/menu")
    ages = (12, 50, 3 * _HOUR, 26 * _HOUR, 2 * _DAY, 5 * _DAY, 40 * _DAY)
    world.ages.update(zip(_STATUS, ages, strict=True))
    async with asyncio.timeout(WAIT_MS / 1000):
        while True:
            found = (await world.call("GET", "/v1/sessions"))["sessions"]
            if {one["session_id"]: one["status"] for one in found} == _STATUS:
                world.cast += found
                return
            await asyncio.sleep(0.2)
