"""Reading files without holding the loop up, and few at a time: a picture of many pixels takes hundreds of megabytes.

Rule: tenants take turns, and one that has many files never has all threads, so that it holds up nobody else.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from threading import Lock
from typing import Any, Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Job = tuple["Future[Any]", Callable[[], Any]]

AT_A_TIME: Final = 3
OF_TENANT: Final = 2


class _Readers:
    """The process's few threads for files, and what waits for them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="media")
        self._lock = Lock()
        #: Whose turn it is stands first.
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._running: Counter[str] = Counter()

    def submit(self, tenant: str, work: Callable[[], _T]) -> "Future[_T]":
        future: Future[_T] = Future()
        with self._lock:
            self._waiting.setdefault(tenant, deque()).append((future, work))
        self._pool.submit(self._run)
        return future

    def _run(self) -> None:
        """Does what can be done, also what came while its tenant had all that it may have."""
        while (following := self._next()) is not None:
            tenant, (future, work) = following
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(work())
                    except BaseException as error:
                        future.set_exception(error)
            finally:
                with self._lock:
                    self._running[tenant] -= 1

    def _next(self) -> tuple[str, _Job] | None:
        with self._lock:
            tenant = next((one for one in self._waiting if self._running[one] < OF_TENANT), None)
            if tenant is None:
                return None
            jobs = self._waiting.pop(tenant)
            job = jobs.popleft()
            if jobs:
                self._waiting[tenant] = jobs
            self._running += Counter((tenant,))
            return tenant, job


@cache
def _readers() -> _Readers:
    return _Readers()


async def in_thread(whose: str, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """The result of `work`, which reads or changes a file of the tenant `whose`, from one of the process's few threads for
    that."""
    return await asyncio.wrap_future(_readers().submit(whose, partial(work, *args, **kwargs)))
