"""Ports for servers of tests."""

import os
from typing import Final

from perdure.temporal.app.bench.rig import child

#: Below the range for outgoing connections, which could take a port while its server restarts, and below the bench's.
_ALL: Final = range(11_000, 19_000)

_given: set[int] = set()


def free_port() -> int:
    """A free port that no other test gets: each process of a parallel run has a part of the range, and gives none twice."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while (port := child.free_port(_ALL[number::processes])) in _given:
        pass
    _given.add(port)
    return port


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]
