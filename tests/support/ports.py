"""Ports for servers of tests."""

import os
import random
import socket
from contextlib import suppress
from typing import Final

#: Below the range for outgoing connections, which could take a port while its server restarts, and below the bench's.
_FIRST: Final = 11_000
_OF_ALL: Final = 8_000

_given: set[int] = set()


def free_port() -> int:
    """A free port that no other test gets: each process of a parallel run has a part of the range, and gives none twice."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = _OF_ALL // processes
    while True:
        port = _FIRST + number * size + random.randrange(size)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]
