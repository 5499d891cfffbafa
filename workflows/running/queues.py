"""Where model calls and tools are sent: to task queues of their own, if the worker that schedules them says so.

Why a session may ask its worker: the queue of an activity is no part of what a replay compares, which is the activity's
type and id (`ActivityTaskScheduled`). The event that the first decision wrote holds the queue, and a replay under other
settings changes nothing of it. Nothing else in a session depends on the answer. So the sessions that run follow a changed
setting at their next call, and none is left with a queue that was given up.
"""

from typing import Literal

from temporalio import workflow


def own_queue(kind: Literal["models", "tools"]) -> str | None:
    """The task queue of its own that this kind of call has; None: that of the session."""
    function = workflow.extern_functions().get("perdure_queue")
    queue: str | None = function(kind) if function is not None else None
    return queue
