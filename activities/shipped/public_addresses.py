"""Addresses of the public internet, and how the addresses of a host are found."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # Looks public, but is an internal service of one large cloud.
        "168.63.129.16/32",
    )
)
_NOT_PUBLIC_6 = tuple(ip_network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NAT64 = ip_network("64:ff9b::/96")


class FetchRefused(Exception):
    """This URL is never fetched; the message says why."""


class FetchFailed(Exception):
    """The network or the server failed; a retry may succeed."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet. An address that embeds another (mapped, 6to4, Teredo) never
    does. A NAT64 address, the only way to IPv4 in some networks, does if its embedded address does."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    # 2000::/3 is all global unicast space that has been assigned.
    return int(address) >> 125 == 0b001 and not any(address in network for network in _NOT_PUBLIC_6)


async def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a host, in the order in which to try them. Raises `FetchRefused` or `FetchFailed`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise FetchRefused(f"there is no host {host!r}") from None
        raise FetchFailed(f"the host {host!r} could not be resolved") from error
    except (UnicodeError, OverflowError):
        raise FetchRefused(f"there is no host {host!r}") from None
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
