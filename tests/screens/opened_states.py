"""What opens over the pages: the menu of a session, searches, lists of keys, and the dialog of a fork."""

from playwright.async_api import expect

from tests.screens.chat_states import open_sidebar
from tests.screens.inspector_states import WAITED, story
from tests.screens.states import Scene, state

_TRIP = "A long weekend in Lisbon for two, at the end of May"


async def _open_menu(scene: Scene) -> None:
    button = scene.page.get_by_role("button", name=f"Rename or close {_TRIP}")
    # It shows beside a row that the mouse is over.
    await scene.page.locator("#sessions li[data-session=lisbon]").hover()
    await button.click()
    await scene.see(scene.page.get_by_role("group", name=_TRIP))


async def _open_menu_on_a_phone(scene: Scene) -> None:
    await scene.page.keyboard.press("Escape")
    await open_sidebar(scene)
    await _open_menu(scene)


@state("sidebar-menu", phone=_open_menu_on_a_phone)
async def sidebar_menu(scene: Scene) -> None:
    await scene.chat("lisbon")
    await scene.see(".answer", "Cascais")
    await scene.see("#sessions li", "photos")
    await _open_menu(scene)


@state("sidebar-search", phone=open_sidebar)
async def sidebar_search(scene: Scene) -> None:
    await scene.chat("lisbon")
    await scene.see(".answer", "Cascais")
    await scene.page.get_by_role("button", name="Search sessions").click()
    await scene.page.get_by_role("searchbox", name="Search sessions").fill("por")
    # A title, and an agent's name.
    await expect(scene.page.locator("#sessions li")).to_have_count(2)
    await scene.see("#sessions li", "Portuguese")
    await expect(scene.page.locator("#search-state")).to_be_empty()


@state("find")
async def find(scene: Scene) -> None:
    await scene.chat("lisbon")
    await scene.see(".answer", "Cascais")
    await scene.page.get_by_role("button", name="Search this conversation").click()
    await scene.page.get_by_role("searchbox", name="Words to find").fill("the")
    await scene.see("#find-state", "1 of 2")


@state("keys")
async def keys(scene: Scene) -> None:
    await scene.chat("lisbon")
    await scene.see(".answer", "Cascais")
    await scene.press("All keys")
    await scene.see(scene.page.get_by_role("dialog", name="Keys"))


@state("inspector-keys", **WAITED)
async def inspector_keys(scene: Scene) -> None:
    await scene.inspect(await story(scene))
    await scene.see("#timeline", "find_hotels")
    await scene.press("Keys")
    await scene.see(scene.page.get_by_role("dialog", name="Keys"))


@state("inspector-fork", **WAITED)
async def inspector_fork(scene: Scene) -> None:
    await scene.inspect(await story(scene))
    await scene.see("#timeline", "find_hotels")
    await scene.page.locator("#turn-t1").get_by_role("button", name="Fork from here").click()
    dialog = await scene.see(scene.page.get_by_role("dialog", name="Fork the session"))
    await expect(dialog.get_by_label("Agent").locator("option")).not_to_have_count(1)
    await dialog.get_by_label("Message").fill("What is there to Porto?")
