"""Passes a session's state to its model call, or to the sealing of its past, in the same process, which saves a query.

This is only a shortcut: an activity that finds nothing here queries the session.

Rule 1: sessions run on threads of the worker, calls on its event loop, so every method is thread-safe.
Rule 2: an offer may come from a workflow task that was never completed, so the receiver compares a digest of what
it needs.
"""

import threading
from collections import OrderedDict

from perdure.workflows.core.state.session import SessionState

#: Offers that are never taken, because the call runs in another process, are evicted by newer ones.
CAPACITY = 1000


class Handover:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offers: OrderedDict[tuple[str, str], SessionState] = OrderedDict()

    def offer(self, run_id: str, name: str, state: SessionState) -> None:
        """`state`, which is immutable, is the session's state right after what goes by `name` in the run was begun: the id
        of a step, or `SealInput.handover`."""
        with self._lock:
            self._offers[run_id, name] = state
            while len(self._offers) > CAPACITY:
                self._offers.popitem(last=False)

    def take(self, run_id: str, name: str) -> SessionState | None:
        with self._lock:
            return self._offers.pop((run_id, name), None)
