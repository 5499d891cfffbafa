"""The SDK's client on one connection, and the calls on it that can answer the server's questions."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp_types import (
    INVALID_REQUEST,
    DiscoverResult,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    Implementation,
)

from perdure.activities.tools.outputs import MAX_RESULT

#: Seconds for a server to take a connection, or for a program to start and answer.
CONNECT_S: Final = 20.0
#: Seconds for a kept program to show that it is alive, after one of its calls was given up.
ALIVE_S: Final = 2.0
#: Bytes. Base64 adds a third to a result, JSON a little.
MAX_ANSWER: Final = 2 * MAX_RESULT
_INFO: Final = Implementation(name="perdure", version="0")

#: Answers a server's elicitations on the open connection.
Asker = Callable[[ElicitRequestParams], Awaitable[ElicitResult | ErrorData]]


class OpenCalls:
    """The calls under way on a connection, which answer its elicitations."""

    def __init__(self) -> None:
        self._calls: list[Asker] = []

    @contextmanager
    def answered_by(self, asker: Asker | None) -> Iterator[None]:
        if asker is None:
            yield
            return
        self._calls.append(asker)
        try:
            yield
        finally:
            self._calls.remove(asker)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        if len(self._calls) == 1:
            return await self._calls[0](params)
        why = "several calls are under way, and it does not say for which" if self._calls else "no call is under way"
        return ErrorData(code=INVALID_REQUEST, message=f"No person can be asked: {why}")


def open_client(transport: Any, mode: str, known: DiscoverResult | None, open_calls: OpenCalls) -> Client:
    # The capability is declared on connecting, before it is known whether a call can answer, so it always is.
    return Client(
        transport,
        mode=mode,
        prior_discover=known,
        client_info=_INFO,
        cache=None,
        elicitation_callback=open_calls,
    )
