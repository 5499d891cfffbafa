"""The class of every route: whoever comes in is looked at before what they bring.

FastAPI reads and parses a declared body before it resolves any dependency. So dependencies that are an `Entrance` are
resolved here first: a stranger is refused, and a request is counted, before a byte of the body is read. Only then is the
body let in (`http/held_body.py`), and JSON is read strictly.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, Generic, TypeVar

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from perdure.gateway.http.held_body import let_in
from perdure.gateway.http.strict_json import read

T = TypeVar("T")

_PASSED: Final = "perdure.passed"


class Entrance(Generic[T]):
    """A dependency that is resolved once a request, before the body is read. It raises to refuse the request."""

    def __init__(self, ask: Callable[[Request], Awaitable[T]]) -> None:
        self._ask = ask

    async def __call__(self, request: Request) -> T:
        passed: dict[Entrance[T], T] = request.scope.setdefault(_PASSED, {})
        if self not in passed:
            passed[self] = await self._ask(request)
        return passed[self]


class Door(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        entrances = tuple(_entrances(self.dependant))
        takes_json = self.body_field is not None

        async def enter(request: Request) -> Response:
            for entrance in entrances:
                await entrance(request)
            await let_in(request.scope)
            data = await request.body() if takes_json else b""
            return await handle(_Read(request, data, await read(data)) if data else request)

        return enter


class _Read(Request):
    """A request whose body was read already."""

    def __init__(self, request: Request, data: bytes, value: JsonValue) -> None:
        super().__init__(request.scope, request.receive)
        self._data = data
        self._value = value

    async def body(self) -> bytes:
        return self._data

    async def json(self) -> Any:
        return self._value


def _entrances(dependant: Dependant) -> Iterator[Entrance[Any]]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Entrance):
            yield dependency.call
        yield from _entrances(dependency)
