"""The embedded Temporal server is started again when it dies, on the same data and ports; nothing was lost with it.

Rule: one that dies again and again is not started for ever. Whoever runs `dev` has to know, and to look into its log.
"""

import asyncio
from collections import deque
from typing import Final

import structlog

from perdure.temporal.app.console.refused import ServerDied
from perdure.temporal.app.dev_server.program import ServerFailed
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import TemporalUnavailable

log = structlog.get_logger(__name__)

#: So many deaths within so many seconds are too many.
DEATHS: Final = 5
WITHIN_S: Final = 60.0


async def revive(server: DevServer) -> None:
    """Starts `server` again each time that it dies. Ends only by an error: `ServerDied` where it dies too often, and what
    its start raises."""
    deaths: deque[float] = deque(maxlen=DEATHS)
    while True:
        code = await server.died()
        deaths.append(asyncio.get_running_loop().time())
        if len(deaths) == DEATHS and deaths[-1] - deaths[0] < WITHIN_S:
            raise ServerDied(
                f"the Temporal server ended by itself {DEATHS} times within {WITHIN_S:g} s, the last time with code "
                f"{code}; the end of {server.log_file} says why"
            )
        log.warning("temporal.died", code=code, log=str(server.log_file))
        try:
            await server.start_again()
        except TemporalUnavailable:
            if server.ended:
                # It died while it was being set up, which is one more death.
                continue
            raise
        except ServerFailed:
            if server.killed:
                # So it did at its start. One that ends by itself there says why, and would say so again.
                continue
            raise
        log.warning("temporal.started_again", address=server.address)
