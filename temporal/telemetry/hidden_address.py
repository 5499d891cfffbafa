"""Addresses for servers that programs on this machine may use but no web page.

Such a server checks neither `Host` nor `Origin`, and a page can find any port by trying them all. But browsers refuse
to connect to the ports of some old protocols, whatever page asks and whatever name it uses for this machine.
The list of ports is in WHATWG Fetch, section 2.9 (port blocking).
"""

import random
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

#: Ports that every browser blocks and any user may listen on. Left out: the ports of NFS and X11, the latest additions
#: to the standard (4190, 6679), and a port that administrators unblock (10080).
BLOCKED_PORTS: Final = (
    *(1719, 1720, 1723, 3659, 4045, 5060, 5061, 6566),
    *(6665, 6666, 6667, 6668, 6669, 6697),
)


class Address(NamedTuple):
    ip: str
    port: int


def hidden_address() -> Address | None:
    """A free loopback address on one of `BLOCKED_PORTS`; None if all are taken."""
    for ip in _loopback_addresses():
        for port in random.sample(BLOCKED_PORTS, len(BLOCKED_PORTS)):
            with socket.socket() as probe:
                # As servers do: a recently closed connection does not block the port, a listener does.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((ip, port))
                except OSError:
                    continue
                return Address(ip, port)
    return None


def _loopback_addresses() -> Iterator[str]:
    # Linux has all of 127.0.0.0/8, so servers started at the same moment rarely clash. Other systems have only this
    # one.
    yield f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    yield "127.0.0.1"
