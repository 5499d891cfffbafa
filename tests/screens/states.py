"""The states of the pages that pictures are made of: a name, and how a person gets there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Locator, Page, expect

from perdure.temporal.app.fakes.replies import Reply
from tests.screens.world import World


@dataclass
class Scene:
    """One state as it is made: a page of its own, and the world around it. Session ids are the state's name."""

    world: World
    page: Page
    name: str

    async def begin(self, agent: str, text: str, *replies: Reply, **more: Any) -> str:
        """A session that begins with this message, to which the model gives `replies`, one a step. → its id"""
        await self.world.plant(self.name, agent, text, *replies, **more)
        return self.name

    async def chat(self, session: str | None = None) -> None:
        """Opens the chat page; without a session, a new chat."""
        await self.goto(f"/chat/{session}" if session else "/")

    async def inspect(self, session: str, step: str | None = None) -> None:
        await self.goto(f"/sessions/{session}" + (f"#step={step}" if step else ""))

    async def goto(self, path: str, base: str | None = None) -> None:
        await self.page.goto(f"{base or self.world.dev.url}{path}")

    async def see(self, what: str | Locator, text: str | None = None) -> Locator:
        """Returns once it is there: a selector, with this text, or a locator."""
        found = self.page.locator(what).filter(has_text=text or "") if isinstance(what, str) else what
        await expect(found.first).to_be_visible()
        return found.first

    async def press(self, name: str, last: bool = False) -> None:
        found = self.page.get_by_role("button", name=name, exact=True)
        await (found.last if last else found.first).click()


@dataclass(frozen=True)
class State:
    name: str
    reach: Callable[[Scene], Awaitable[None]]
    #: Which of `light`, `dark` and `phone` are made.
    looks: tuple[str, ...] = ("light", "dark", "phone")
    #: What is done on a phone before its picture.
    phone: Callable[[Scene], Awaitable[None]] | None = None
    #: Whether pictures are made of it; axe looks at it in any case.
    pictured: bool = True
    #: It needs a gateway that is not there from the beginning.
    apart: bool = False
    #: It changes what others see, and is made after all others.
    late: bool = False
    #: Minutes since the first event of the session of its name.
    age: float = 0.7
    #: Settings of `clock.js`.
    clock: dict[str, Any] = field(default_factory=dict)


STATES: Final[dict[str, State]] = {}


def state(name: str, **more: Any) -> Callable[[Callable[[Scene], Awaitable[None]]], Callable[[Scene], Awaitable[None]]]:
    """Adds a state by this name; `more`: the fields of `State`."""

    def add(reach: Callable[[Scene], Awaitable[None]]) -> Callable[[Scene], Awaitable[None]]:
        assert name not in STATES, name
        STATES[name] = State(name, reach, **more)
        return reach

    return add


def says(text: str = "", *tools: tuple[str, dict[str, Any]], **more: Any) -> Reply:
    """An answer with usual numbers."""
    numbers = {"input_tokens": 1840, "cached_tokens": 1200, "output_tokens": 96}
    return Reply(text=text, tools=tools, **{**numbers, **more})


def stalls(text: str = "", *, after: int, **more: Any) -> Reply:
    """An answer that stops growing after so many words."""
    return says(text, fault="stall", fault_after=after, **more)
