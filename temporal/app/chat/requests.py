"""What `perdure chat` asks of the gateway about its session, however often the gateway is away."""

from collections.abc import Callable
from typing import Any

import httpx2

from perdure.client import Wait
from perdure.temporal.app.chat.waits import away, too_many
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import problem_of


class Requests:
    """`say` shows words in a style. What is sent twice happens once."""

    def __init__(self, gateway: Connection, path: str, say: Callable[[str, str], None]) -> None:
        """`path` is the session's."""
        self._gateway = gateway
        self._path = path
        self._say = say

    def patiently(self, method: str, path: str = "", body: dict[str, Any] | None = None) -> httpx2.Response:
        """Sends until somebody answers. `path` goes below the session's."""
        said = ""

        def tell(wait: Wait) -> None:
            nonlocal said
            words = too_many(wait) or away(wait)
            if words is not None and words != said:
                said = words
                self._say(words, "dim")

        return self._gateway.ask(method, f"{self._path}/{path}" if path else self._path, body, tell)

    def taken(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """What the session answers; None if it refuses, which is told."""
        answer = self.patiently(method, path, body)
        if answer.is_success:
            return dict(answer.json())
        self._say(problem_of(answer), "yellow")
        return None
