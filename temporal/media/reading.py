"""Reading files without holding the loop up, and few at a time: a picture of many pixels takes hundreds of megabytes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_AT_A_TIME: Final = 2


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="media")


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """The result of `work`, which reads or changes a file, from one of the process's few threads for that."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), lambda: work(*args, **kwargs))
