"""What is wrong with a request's body by its head: its type, its announced length. It is told once the route knows who calls.

Middleware that bounds bodies sees a request before a route does. What it finds it keeps here, with the request, so that a
stranger is told that it is one, and learns nothing else.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Scope

#: Raises Problem.
Check = Callable[[], Awaitable[None]]
_KEY: Final = "perdure.held_body"


def hold(scope: Scope, check: Check) -> None:
    """Keeps `check` until the route lets the body in."""
    scope.setdefault(_KEY, []).append(check)


async def let_in(scope: Scope) -> None:
    """Makes all checks, those of the innermost middleware first. Raises Problem."""
    checks: list[Check] = scope.get(_KEY, [])
    for check in reversed(checks):
        await check()
