"""Where a server listens that programs of this machine may use, and no web page.

Such a server looks at neither `Host` nor `Origin`, and a page can find any port by trying them all. But browsers refuse to
connect to the ports of some old protocols, whichever page asks and whatever name it gives for this machine.
Source of the ports: WHATWG Fetch, section 2.9 (port blocking).
"""

import random
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

#: Those that every browser blocks and any user may listen on; without those of NFS and X11, and without those that the
#: standard took up last (4190, 6679) or that administrators open (10080).
BLOCKED_PORTS: Final = (
    *(1719, 1720, 1723, 3659, 4045, 5060, 5061, 6566),
    *(6665, 6666, 6667, 6668, 6669, 6697),
)


class Address(NamedTuple):
    ip: str
    port: int


def hidden_address() -> Address | None:
    """A loopback address that is free now, on one of `BLOCKED_PORTS`. None where all are taken."""
    for ip in _loopback_addresses():
        for port in random.sample(BLOCKED_PORTS, len(BLOCKED_PORTS)):
            with socket.socket() as probe:
                # As servers do it: connections that just ended are no obstacle, a listener is.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((ip, port))
                except OSError:
                    continue
                return Address(ip, port)
    return None


def _loopback_addresses() -> Iterator[str]:
    # Linux has all of 127.0.0.0/8, so that servers which start at one moment do not meet; others have the usual one only.
    yield f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    yield "127.0.0.1"
