"""What `perdure chat` asks of the gateway about its session, however often the gateway is away."""

import time
from collections.abc import Callable
from typing import Any

import httpx2

from perdure.temporal.app.chat.stream import AWAY
from perdure.temporal.app.chat.waits import SILENCE, pause, told_to_wait, why_of
from perdure.temporal.app.console.gateway import problem_of


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
        failures, said, why = 0, "", SILENCE
        while True:
            try:
                answer = self._http.request(method, address, json=body)
                if answer.status_code not in (429, 502, 503, 504):
                    return answer
                if (told := told_to_wait(answer)) is not None:
                    words, seconds = told
                    if words != said:
                        self._say(words, "dim")
                    said = words
                    time.sleep(seconds)
                    continue
                why = why_of(answer)
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
