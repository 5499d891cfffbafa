"""From a session to its own model call, where both run in this process: what the step sees, without a query.

It saves the call a round trip through Temporal, and is only ever a short cut: what is not here is asked for.

Rule 1: sessions run on threads of the worker, calls on its loop, so everything here is thread-safe.
Rule 2: what was offered may belong to a workflow task that never counted; whoever takes it compares the view.
"""

import threading
from collections import OrderedDict

from perdure.workflows.core.state import SessionState

#: Offers that nobody took, because another process has the call, are pushed out by newer ones.
CAPACITY = 1000


class Handover:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offers: OrderedDict[tuple[str, str], SessionState] = OrderedDict()

    def offer(self, run_id: str, step_id: str, state: SessionState) -> None:
        """`state`, which is immutable, is that of the session right after the step was opened."""
        with self._lock:
            self._offers[run_id, step_id] = state
            while len(self._offers) > CAPACITY:
                self._offers.popitem(last=False)

    def take(self, run_id: str, step_id: str) -> SessionState | None:
        with self._lock:
            return self._offers.pop((run_id, step_id), None)
