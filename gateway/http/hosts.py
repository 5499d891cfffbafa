"""Which host names a server answers to.

A web page can point a name of its own at this machine (DNS rebinding), and its browser then takes our answers for that
page's. What such a page cannot choose is the name in the request. So only names that no stranger can point anywhere count:
localhost and what is below it, IP addresses, and those that the operator gives.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Host:
    """A host as requests name it, in lower case; an IPv6 address stands in brackets."""

    name: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """`text` is a `Host` header's value. None where it is none."""
        found = _AUTHORITY.fullmatch(text)
        if found is None:
            return None
        name, port = found.groups()
        return cls(name.lower().removesuffix("."), None if port is None else int(port))

    def is_origin(self, origin: str) -> bool:
        """Whether a page of `origin` (the header's value) came from this host and port.

        The schemes may differ: behind a TLS proxy the page is https, and the request that reaches us is not.
        """
        scheme, _, rest = origin.partition("://")
        usual = _DEFAULT_PORTS.get(scheme.lower())
        theirs = Host.parse(rest)
        if usual is None or theirs is None or theirs.name != self.name:
            return False
        return (theirs.port or usual) == (self.port or usual)

    @property
    def is_address(self) -> bool:
        try:
            ipaddress.ip_address(self.name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


class KnownHosts:
    """`names`: besides localhost and IP addresses. `*.example.com` stands for all names below `example.com`."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        listed = {name.lower().removesuffix(".") for name in names}
        self._below = (".localhost", *(name[1:] for name in listed if name.startswith("*.")))
        self._names = {"localhost", *listed}

    def __contains__(self, host: Host) -> bool:
        return host.name in self._names or host.name.endswith(self._below) or host.is_address
