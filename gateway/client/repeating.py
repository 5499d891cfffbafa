"""Requests that are made again: when, and how long is waited in between."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from perdure.gateway.client.errors import PerdureError

_log: Final = logging.getLogger("perdure.client")
_FIRST_S: Final = 0.25
_MOST_S: Final = 4.0
#: Longer than a limit of requests ever says; whoever is told more asks all the same.
_MOST_TOLD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """What the client waits for before it tries again."""

    #: Why the last attempt failed.
    error: PerdureError
    #: Attempts that failed in a row, this one included.
    failures: int
    #: Seconds until the next attempt.
    seconds: float


OnWait = Callable[[Wait], None]


class Repeating:
    """The failures in a row of one request, or of one stream."""

    def __init__(self, what: str, on_wait: OnWait | None, patience_s: float | None) -> None:
        """`what` is the request, for the log. After `patience_s` seconds without success there is no other attempt;
        None: there always is."""
        self._what = what
        self._on_wait = on_wait
        self._patience_s = patience_s
        self._failures = 0
        self._since: float | None = None

    def succeeded(self) -> None:
        self._failures, self._since = 0, None

    async def wait(self, error: PerdureError) -> None:
        """Waits before the next attempt. Raises `error` where there is none."""
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        seconds = pause_s(self._failures, error.retry_after)
        self._failures += 1
        if self._patience_s is not None and now + seconds - self._since > self._patience_s:
            raise error
        if self._failures == 2:
            # A connection that broke once is simply taken up again.
            _log.warning("%s: %s; trying again", self._what, error)
        if self._on_wait is not None:
            self._on_wait(Wait(error, self._failures, seconds))
        await asyncio.sleep(seconds)


def pause_s(failures: int, told: float | None) -> float:
    """Seconds before the next attempt: what the server said, else from a quarter of a second, doubling, to 4 s, with
    jitter."""
    if told is not None:
        return min(max(told, _FIRST_S), _MOST_TOLD_S)
    return float(min(_MOST_S, _FIRST_S * 2.0 ** min(failures, 10)) * random.uniform(0.75, 1))
