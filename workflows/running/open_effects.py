"""The effects that are open: model calls, tools, sessions of sub-agents, look-ups; all alike, several at once."""

import asyncio
from collections.abc import Callable

from perdure.workflows.core.effects import Effect
from perdure.workflows.core.outcomes import Outcome
from perdure.workflows.running.effects.opened import Opened
from perdure.workflows.running.effects.perform import perform


class OpenEffects:
    """`settle` takes the outcome of each effect that ends while it is still in the table."""

    def __init__(self, settle: Callable[[Outcome], None]) -> None:
        self._settle = settle
        #: By key.
        self._open: dict[str, Opened] = {}
        # Held here, because nobody else does.
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None

    @property
    def empty(self) -> bool:
        return not self._open

    def start(self, effect: Effect) -> None:
        opened = self._open[effect.key] = Opened()
        task = asyncio.create_task(self._run(effect, opened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self, key: str) -> None:
        """Tells an effect to end."""
        opened = self._open.get(key)
        if opened is not None:
            opened.end()

    def tell(self, key: str) -> None:
        """Tells a sub-agent's session that nobody will answer what it asks."""
        opened = self._open.get(key)
        if opened is not None:
            opened.tell()

    def keep(self, keys: frozenset[str]) -> None:
        """Forgets all effects but these."""
        for key in self._open.keys() - keys:
            del self._open[key]

    @property
    def failed(self) -> bool:
        """Something is wrong with the code that carries effects out."""
        return self._failure is not None

    def check(self) -> None:
        """Raises what went wrong, so that the workflow task fails, and not only the task of an effect."""
        if self._failure is not None:
            raise self._failure

    async def _run(self, effect: Effect, opened: Opened) -> None:
        try:
            outcome = await perform(effect, opened)
            if self._open.get(effect.key) is opened:
                del self._open[effect.key]
                self._settle(outcome)
        except Exception as error:
            self._failure = error
