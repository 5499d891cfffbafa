"""Runs of agents over the gateway's HTTP, however often the gateway is away."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httpx2

from perdure.temporal.app.chat.stream import AWAY
from perdure.temporal.app.chat.waits import SILENCE, told_to_wait
from perdure.temporal.app.console.gateway import problem_of
from perdure.temporal.app.console.refused import Refused

#: Seconds that one request waits for the end of a run.
_WAIT_S: Final = 30
TIMEOUT: Final = httpx2.Timeout(_WAIT_S + 20, connect=5)
_PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0)
_LATER: Final = (429, 502, 503, 504)
#: Nobody may ask: that holds for every other request as well.
_NOBODYS: Final = (401, 403)


class RunClient:
    def __init__(self, http: httpx2.AsyncClient, say: Callable[[str], None]) -> None:
        """`say` tells a person why it takes long. A request that is sent twice happens once, if its body has a key."""
        self._http = http
        self._say = say

    async def run(self, body: dict[str, Any]) -> dict[str, Any]:
        """The run of this body once it is over, or waits for a person; `refused` where it cannot begin. Raises `Refused`."""
        answer = await self._patiently("POST", "/v1/runs", body)
        if not answer.is_success:
            problem = problem_of(answer)
            if answer.status_code in _NOBODYS:
                raise Refused(problem)
            return {"status": "refused", "error": {"type": "refused", "message": problem}}
        return await self.ended(answer.json()["run_id"])

    async def ended(self, run_id: str) -> dict[str, Any]:
        """The run once it is over, or waits for a person. Raises `Refused`."""
        while True:
            answer = await self._patiently("GET", f"/v1/runs/{run_id}?wait={_WAIT_S}")
            if not answer.is_success:
                raise Refused(problem_of(answer))
            found: dict[str, Any] = answer.json()
            if found["status"] != "working":
                return found

    async def _patiently(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        """Sends until somebody answers."""
        failures = 0
        while True:
            pause = _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
            why = SILENCE
            try:
                answer = await self._http.request(method, path, json=body)
                if answer.status_code not in _LATER:
                    return answer
                if (told := told_to_wait(answer)) is not None:
                    why, pause = told
            except AWAY:
                pass
            if failures == len(_PAUSES_S):
                self._say(why)
            failures += 1
            await asyncio.sleep(pause)
