"""Passes a session's view of a step to the model call in the same process, which saves a query.

This is only a shortcut: a model call that finds nothing here queries the session.

Rule 1: sessions run on threads of the worker, calls on its event loop, so every method is thread-safe.
Rule 2: an offer may come from a workflow task that was never completed, so the receiver compares the view's digest.
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

    def offer(self, run_id: str, step_id: str, state: SessionState) -> None:
        """`state`, which is immutable, is the session's state right after the step was opened."""
        with self._lock:
            self._offers[run_id, step_id] = state
            while len(self._offers) > CAPACITY:
                self._offers.popitem(last=False)

    def take(self, run_id: str, step_id: str) -> SessionState | None:
        with self._lock:
            return self._offers.pop((run_id, step_id), None)
