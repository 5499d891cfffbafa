"""Whether Redis can be reached and written, said once each time that it changes: in the log and as a metric."""

import asyncio
import time
from typing import Final, Literal

import structlog

from perdure.temporal.redis_address import RedisAddress
from perdure.temporal.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

#: What writes and what hears have a connection each.
Side = Literal["writing", "hearing"]

_COSTS: Final = "answers are not shown as they are written, and viewers are told of events about a second late"
_FULL: Final = "who comes in the middle of an answer sees it only from there on"


class RedisHealth:
    def __init__(self, address: RedisAddress, metrics: Metrics) -> None:
        self._address = str(address)
        self._metrics = metrics
        self._up: set[Side] = set()
        self._since: float | None = None
        self._full = False
        #: Both sides have tried.
        self.tried = asyncio.Event()
        self._tried: set[Side] = set()
        metrics.live_connected(False)

    @property
    def well(self) -> bool:
        return len(self._up) == 2

    def is_up(self, side: Side) -> bool:
        return side in self._up

    def reached(self, side: Side) -> None:
        if side in self._up:
            return
        self._up.add(side)
        self._note(side)
        if self.well:
            away = 0.0 if self._since is None else time.monotonic() - self._since
            self._since = None
            self._metrics.live_connected(True)
            log.info("live.connected", redis=self._address, away_s=round(away, 1))

    def lost(self, side: Side, why: str) -> None:
        self._up.discard(side)
        if side == "hearing":
            # What writes reads nothing meanwhile, and so does not see its connection end: it has to look.
            self._up.discard("writing")
        self._note(side)
        if self._since is None:
            self._since = time.monotonic()
            self._metrics.live_connected(False)
            log.warning("live.lost", redis=self._address, reason=why, costs=_COSTS)

    def kept(self, refusal: str | None) -> None:
        """A write was kept in Redis, or refused in these words."""
        if (refusal is not None) != self._full:
            self._full = refusal is not None
            if refusal is None:
                log.info("live.kept_again", redis=self._address)
            else:
                log.warning("live.not_kept", redis=self._address, reason=refusal, costs=_FULL)

    def _note(self, side: Side) -> None:
        self._tried.add(side)
        if len(self._tried) == 2:
            self.tried.set()
