"""Makes the pictures of all states, and runs axe over each."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.async_api import Page, expect

from tests.screens import access_states, chat_states, guide_states, inspector_states, opened_states, question_states
from tests.screens.cast import gather_cast
from tests.screens.comparing import read
from tests.screens.states import STATES, Scene, State
from tests.screens.world import World, open_world
from tests.support.accessibility import faults_of
from tests.support.browsing import WAIT_MS

#: What defines states.
_ = (access_states, chat_states, guide_states, inspector_states, opened_states, question_states)


@dataclass(frozen=True)
class Look:
    width: int
    height: int
    scheme: Literal["light", "dark"]


LOOKS: Final = {"light": Look(1280, 800, "light"), "dark": Look(1280, 800, "dark"), "phone": Look(390, 844, "light")}
#: States that are made at once.
_AT_ONCE: Final = max(2, min(4, os.cpu_count() or 1))
#: Pictures after which a page that still changes is a fault.
_PATIENCE: Final = 40
_STILL: Final = """
*, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important; }
"""
_READY: Final = """
async () => {
  await document.fonts.ready;
  await Promise.all([...document.images].map((one) => one.decode().catch(() => {})));
}
"""


@dataclass
class Taken:
    #: By name, as `streaming.dark`.
    pictures: dict[str, Image.Image] = field(default_factory=dict)
    #: What went wrong: states that were not reached, script errors, requests to other hosts, and what axe found.
    faults: list[str] = field(default_factory=list)


def names(chosen: Sequence[str] = ()) -> list[str]:
    """The names of all pictures of these states; by default of all."""
    states = [STATES[name] for name in chosen] or list(STATES.values())
    return [f"{one.name}.{look}" for one in states if one.pictured for look in one.looks]


async def take(chosen: Sequence[str] = (), seen: Callable[[State, Taken], None] = lambda state, taken: None) -> Taken:
    """Makes the pictures of the states of these names; by default of all. `seen`: is called after each state."""
    expect.set_options(timeout=WAIT_MS)
    taken = Taken()
    states = [STATES[name] for name in chosen] or list(STATES.values())
    with tempfile.TemporaryDirectory(prefix="screens") as folder:
        async with open_world(Path(folder)) as world:
            await gather_cast(world)
            waiting = sorted((one for one in states if not one.late), key=lambda one: one.apart)

            async def make(one: State) -> None:
                await _make(world, one, taken)
                seen(one, taken)

            async def work() -> None:
                while waiting:
                    await make(waiting.pop(0))

            await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
            for one in states:
                if one.late:
                    await make(one)
    return taken


async def _make(world: World, state: State, taken: Taken) -> None:
    world.ages[state.name] = state.age
    context = await world.context(**state.clock)
    try:
        page = await context.new_page()
        _listen(page, state.name, taken.faults)
        scene = Scene(world, page, state.name)
        await state.reach(scene)
        await page.add_style_tag(content=_STILL)
        for name in state.looks:
            look = LOOKS[name]
            await page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
            await page.set_viewport_size({"width": look.width, "height": look.height})
            if name == "phone" and state.phone:
                await state.phone(scene)
            if state.pictured:
                taken.pictures[f"{state.name}.{name}"] = await _still(page)
            # Dark and light differ in colours alone.
            rules = ["color-contrast"] if name == "dark" and "light" in state.looks else None
            taken.faults += await faults_of(page, f"{state.name}.{name}", rules)
    except Exception as error:
        taken.faults.append(f"{state.name}: {type(error).__name__}: {error}")
    finally:
        await context.close()


def _listen(page: Page, name: str, faults: list[str]) -> None:
    page.on("pageerror", lambda error: faults.append(f"{name}: {error}"))
    page.on("console", lambda said: faults.append(f"{name}: {said.text}") if "Content Security" in said.text else None)
    page.on("request", lambda one: faults.append(f"{name}: {one.url}") if not _is_here(one.url) else None)


def _is_here(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


async def _still(page: Page) -> Image.Image:
    """A picture of the page, once two in a row look the same; their alpha may differ, though nothing is transparent."""
    await page.evaluate(_READY)
    last: Image.Image | None = None
    for _ in range(_PATIENCE):
        shot = read(await page.screenshot(animations="disabled", caret="hide"))
        if shot == last:
            return shot
        last = shot
        await page.wait_for_timeout(60)
    raise AssertionError("the page does not come to rest")
