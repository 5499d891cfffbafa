"""Ports that the server, the gateway and the Web UI listen on."""

import errno
import socket

from perdure.temporal.user_error import UserError


class PortTaken(UserError):
    """Another program listens on a port that we need; the message names the port and the flag that changes it."""


def check_port(host: str, port: int, flag: str) -> None:
    """Raises `PortTaken` unless a server could listen on `host:port` now. `flag` is what changes the port."""
    listen(host, port, flag).close()


def listen(host: str, port: int, flag: str) -> socket.socket:
    """A socket that listens on `host:port`. Raises `PortTaken`, which names `flag`."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # As servers do it: connections that just ended are no obstacle, a listener is.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = {errno.EADDRINUSE: "is taken by another program", errno.EACCES: "may not be used by this user"}
        reason = why.get(error.errno or 0, f"cannot be used ({error.strerror})")
        raise PortTaken(f"port {port} on {host} {reason}; choose another one with {flag}") from None
    return listener


def any_port(host: str) -> int:
    """A port on `host` that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
