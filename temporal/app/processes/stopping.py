"""How a process is told to stop: the first signal lets it finish what it has begun, a second one ends it at once."""

import asyncio
import signal
from typing import Final

import structlog

from perdure.temporal.app.console.exit import leave

log = structlog.get_logger(__name__)

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def stop_signal(*, impatient: bool) -> asyncio.Event:
    """Is set by SIGINT or SIGTERM. `impatient`: the second of them ends the process with 128 and its number, as the signal
    itself would; nothing is lost by it that a kill would not lose."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(number: signal.Signals) -> None:
        if stopped.is_set() and impatient:
            log.warning("stopped_at_once", signal=number.name)
            leave(128 + number)
        stopped.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, told, number)
    return stopped
