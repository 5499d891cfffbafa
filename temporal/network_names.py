"""Addresses, host names and origins, as settings give them."""

import ipaddress
import re
from typing import Any

_ADDRESS = "give an IP address and a port, as in 127.0.0.1:9464"


def ip_and_port(given: str) -> str:
    """Raises ValueError, as all of these do, with words that say what to give."""
    host, _, port = given.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        bracketed = ipaddress.ip_address(bare).version == 6
    except ValueError:
        raise ValueError(_ADDRESS) from None
    if bracketed == (bare == host) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(_ADDRESS)
    return given


_HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.IGNORECASE)


def host_names(given: Any) -> Any:
    """Accepts comma-separated text, as in an environment variable, or a list."""
    names = tuple(name.strip() for name in given.split(",") if name.strip()) if isinstance(given, str) else given
    if not all(isinstance(name, str) and _HOST_NAME.fullmatch(name) for name in names):
        raise ValueError(
            "give names without scheme and port, with commas between them, as in agents.example.com,*.internal.example.com"
        )
    return names


_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]{1,5})?", re.IGNORECASE)


def origins(given: Any) -> Any:
    """Accepts comma-separated text, as in an environment variable, or a list."""
    found = tuple(one.strip() for one in given.split(",") if one.strip()) if isinstance(given, str) else given
    if not all(isinstance(origin, str) and _ORIGIN.fullmatch(origin) for origin in found):
        raise ValueError(
            "give whole origins, without a path or a slash at the end and with commas between them, as in "
            "https://app.example.com,http://localhost:3000"
        )
    return found
