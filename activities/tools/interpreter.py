"""What the operating system reports of this process's threads, where it does: which ones worked, and which waited.

A thread that waits for the interpreter wakes every few milliseconds to ask for it again. One that was not scheduled, or whose
process was stopped, does not. So the number of times that it waited distinguishes the two.
"""

import math
import time
from importlib.util import find_spec


def times_waited() -> float:
    """How often the calling thread has waited so far. Infinity: the system does not report it."""
    if find_spec("resource") is None:
        return math.inf
    import resource

    who = getattr(resource, "RUSAGE_THREAD", None)
    return math.inf if who is None else resource.getrusage(who).ru_nvcsw


def cpu_seconds(thread: int) -> float | None:
    """Seconds for which a live thread has worked so far. None: the system does not report it."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    if clock_of is None:
        return None
    try:
        return time.clock_gettime(clock_of(thread))
    except OSError:
        return None
