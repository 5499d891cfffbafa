"""Circuit breakers: a model whose provider fails again and again is not asked for a while. Pure, but for the clock.

A circuit is of one model at one server, and all sessions of a worker share it. It opens after `FAILURES` failures in a row
of at least two steps: a single step's attempts have their own waits. Then nothing is sent until its time is over; the next
call is a probe, one at a time, whose answer closes the circuit, or whose failure opens it for longer.

Rule: only failures of the provider's side count. A request that is wrong, a key, a quota or a rate limit says nothing of
whether the provider is well.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from perdure.workflows.vocabulary import errors

#: In a row, and within so many seconds.
FAILURES: Final = 5
WITHIN_S: Final = 60.0
#: Seconds for which a circuit opens at first, and at most; each is varied by up to a fifth.
FIRST_S: Final = 5.0
LONGEST_S: Final = 60.0
_VARIED: Final = 0.2
#: Seconds after which a call asks again while another one probes.
PROBED_S: Final = 1.0
PROVIDERS_SIDE: Final = frozenset(
    [
        errors.MODEL_OVERLOADED,
        errors.MODEL_SERVER_ERROR,
        errors.MODEL_CONNECTION,
        errors.MODEL_TIMEOUT,
        errors.MODEL_STREAM_TRUNCATED,
        errors.MODEL_ABORTED,
    ]
)


class Circuit:
    def __init__(
        self,
        changed: Callable[[bool], None] = lambda is_open: None,
        clock: Callable[[], float] = time.monotonic,
        varied: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`changed` is told when the circuit opens or closes."""
        self._changed = changed
        self._clock = clock
        self._varied = varied
        #: Time and step of each failure since the last answer.
        self._failures: deque[tuple[float, str]] = deque(maxlen=FAILURES)
        #: None: closed.
        self._open_until: float | None = None
        #: How often it has opened since the last answer.
        self._opened = 0
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    def admit(self) -> float | None:
        """None: the call may be made, and `answered`, `failed` or `left` has to follow. Else the seconds to wait before
        asking again."""
        if self._open_until is None:
            return None
        left = self._open_until - self._clock()
        if left > 0:
            return left
        if self._probing:
            return PROBED_S * self._varied(1, 1 + _VARIED)
        self._probing = True
        return None

    def answered(self) -> None:
        """The provider answers."""
        was_open = self.is_open
        self._failures.clear()
        self._open_until, self._opened, self._probing = None, 0, False
        if was_open:
            self._changed(False)

    def failed(self, kind: str, step: str) -> None:
        """A call of `step` failed, with an error of the type `kind`."""
        if kind not in PROVIDERS_SIDE:
            self.left()
            return
        now = self._clock()
        if self._probing:
            self._probing = False
            self._open(now)
        elif self._open_until is None:
            self._failures.append((now, step))
            recent = [one for at, one in self._failures if now - at <= WITHIN_S]
            if len(recent) >= FAILURES and len(set(recent)) > 1:
                self._open(now)
                self._changed(True)

    def left(self) -> None:
        """A call ended without a word on how its provider is."""
        self._probing = False

    def _open(self, now: float) -> None:
        seconds = min(FIRST_S * 2**self._opened, LONGEST_S)
        self._opened += 1
        self._open_until = now + seconds * self._varied(1 - _VARIED, 1 + _VARIED)
