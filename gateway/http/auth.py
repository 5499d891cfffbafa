"""Who asks: each route takes a `Caller`, whom `Authenticate` makes of the request."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from perdure.temporal.sessions.caller import Caller

Authenticate = Callable[[Request], Caller]

_LOCAL: Final = Caller("default")


def anonymous(_request: Request) -> Caller:
    """For a gateway that only this machine reaches: everyone is the tenant `default`."""
    return _LOCAL
