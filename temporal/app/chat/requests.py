"""What `perdure chat` asks of the gateway about its session, however often the gateway is away."""

from collections.abc import Callable
from typing import Any, Final

import httpx2

from perdure.temporal.app.chat.stream import AWAY, pause
from perdure.temporal.app.console.gateway import problem_of

#: Told once somebody has to wait.
SILENCE: Final = "(the gateway does not answer; trying again)"
#: The same where the gateway says why.
NO_WORKER: Final = "(no worker is running; your message is kept, and goes out as soon as one is back)"


class Requests:
    """`say` shows words in a style. What is sent twice happens once."""

    def __init__(self, http: httpx2.Client, path: str, say: Callable[[str, str], None]) -> None:
        """`path` is the session's."""
        self._http = http
        self._path = path
        self._say = say

    def patiently(self, method: str, path: str = "", body: dict[str, Any] | None = None) -> httpx2.Response:
        """Sends until somebody answers. `path` goes below the session's."""
        address = f"{self._path}/{path}" if path else self._path
        failures = 0
        why = SILENCE
        while True:
            try:
                answer = self._http.request(method, address, json=body)
                if answer.status_code not in (429, 502, 503, 504):
                    return answer
                why = NO_WORKER if _code_of(answer) == "no_worker" else SILENCE
            except AWAY:
                why = SILENCE
            if failures == 1:
                self._say(why, "dim")
            pause(failures)
            failures += 1

    def taken(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """What the session answers; None if it refuses, which is told."""
        answer = self.patiently(method, path, body)
        if answer.is_success:
            return dict(answer.json())
        self._say(problem_of(answer), "yellow")
        return None


def _code_of(answer: httpx2.Response) -> str | None:
    try:
        code = answer.json().get("code")
    except (ValueError, AttributeError):
        # Of a proxy.
        return None
    return code if isinstance(code, str) else None
