"""Runs of agents over the gateway's HTTP, however often the gateway is away."""

from collections.abc import Callable
from typing import Any, Final

import httpx2

from perdure.client import Perdure, Wait
from perdure.temporal.app.chat.waits import SILENCE, too_many
from perdure.temporal.app.console.gateway import problem_of
from perdure.temporal.app.console.refused import Refused

#: Seconds that one request waits for the end of a run.
_WAIT_S: Final = 30
#: The failure in a row of which a person is told.
_TOLD_AT: Final = 4
#: Nobody may ask: that holds for every other request as well.
_NOBODYS: Final = (401, 403)
#: Of a run that was not there before.
_IS_NEW: Final = 202


class RunClient:
    def __init__(self, perdure: Perdure, say: Callable[[str], None]) -> None:
        """`say` tells a person why it takes long. A request that is sent twice happens once, if its body has a key."""
        self._perdure = perdure
        self._say = say

    async def run(self, body: dict[str, Any], *, anew: bool = False) -> dict[str, Any]:
        """The run of this body once it is over, or waits for a person; `refused` where it cannot begin. `anew`: one that had
        failed before is run once more, with a key of its own. Raises `Refused`."""
        tries, key = 1, body["idempotency_key"]
        while True:
            answer = await self._patiently("POST", "/v1/runs", body)
            if not answer.is_success:
                problem = problem_of(answer)
                if answer.status_code in _NOBODYS:
                    raise Refused(problem)
                return {"status": "refused", "error": {"type": "refused", "message": problem}}
            found = await self.ended(answer.json()["run_id"])
            if not anew or found["status"] != "failed" or answer.status_code == _IS_NEW:
                return found
            tries += 1
            body = body | {"idempotency_key": f"{key}-{tries}"}

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

        def tell(wait: Wait) -> None:
            if wait.failures == _TOLD_AT:
                self._say(too_many(wait) or SILENCE)

        return await self._perdure.exchange(method, path, json=body, on_wait=tell)
