"""The guide and the reference of HTTP."""

from collections.abc import Awaitable, Callable
from typing import Final

from perdure.gateway.guide.pages import PAGES
from tests.screens.states import Scene, state

#: The pages that pictures are made of; axe looks at all of them.
SHOWN: Final = ("start", "concepts", "definition", "http", "settings", "docs")
_ALL: Final = {**{page.name: page.address for page in PAGES}, "docs": "/docs"}


def _at(address: str) -> Callable[[Scene], Awaitable[None]]:
    async def reach(scene: Scene) -> None:
        await scene.goto(address)
        await scene.see("main h1")

    return reach


for _name, _address in _ALL.items():
    state(f"guide-{_name}", pictured=_name in SHOWN)(_at(_address))
