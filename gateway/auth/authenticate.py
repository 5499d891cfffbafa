"""Who asks: each route takes a `Principal`, whom `Authenticate` makes of the request. The only place where one is made."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import HTTPConnection

from perdure.temporal.sessions.principal import Principal

#: Raises Problem `unauthenticated`.
Authenticate = Callable[[HTTPConnection], Awaitable[Principal]]

_LOCAL: Final = Principal.trusted("default")


async def anonymous(_request: HTTPConnection) -> Principal:
    """For a gateway that only this machine reaches: everyone is the tenant `default`."""
    return _LOCAL
