"""How connections to MCP servers, and requests on them, can fail.

Rule: no message quotes an error of the transport, which may name the address.
"""

import httpx2
from mcp.shared.exceptions import MCPError

from perdure.activities.encoding.unpacking import NotUnpackable
from perdure.activities.mcp.http import Seen
from perdure.activities.mcp.lines import Overlong, Unreadable, Word
from perdure.temporal.definitions.address_templates import Unfilled
from perdure.temporal.definitions.references import MissingVariable


class McpUnavailable(Exception):
    """The server could not be reached, so the tool did not run. The message is for people.

    `final`: a retry would not help. `refused`: the server responded, and refused. `unfilled`: it was not even asked, for
    the session lacks what it has to be told.
    """

    def __init__(self, message: str, *, final: bool = False, refused: bool = False, unfilled: bool = False) -> None:
        super().__init__(message)
        self.final = final
        self.refused = refused
        self.unfilled = unfilled


class McpLost(Exception):
    """A request was sent, and no usable response came: the tool may have run. The message says why, for people."""


class McpTooMuch(Exception):
    """The response exceeds the limit."""


def missing_variable(missing: MissingVariable) -> McpUnavailable:
    return McpUnavailable(f"the environment variable {missing} that its address needs is not set", final=True)


def unfilled(error: Unfilled) -> McpUnavailable:
    return McpUnavailable(str(error), final=True, unfilled=True)


def of_program(error: MCPError) -> Exception:
    """The program's own error, or what became of the request instead."""
    match error.error.data:
        case Word(data=data):
            return MCPError(error.code, error.message, data)
        case Overlong():
            return McpTooMuch()
        case Unreadable():
            return McpLost("its answer cannot be read")
        case _:
            return McpLost("it was closed")


def no_answer(error: BaseException, seen: Seen) -> Exception:
    """What became of a request over HTTP without a response of the server's."""
    if seen.too_much or isinstance(error, httpx2.SSEError):
        return McpTooMuch()
    if seen.did_not_run:
        return McpUnavailable(f"it refuses the request (HTTP {seen.status})", refused=True)
    if seen.status is not None:
        return McpLost(f"it answered with HTTP {seen.status}")
    if isinstance(error, NotUnpackable):
        return McpLost(str(error))
    return McpLost(seen.broken or (type(error).__name__ if isinstance(error, httpx2.HTTPError) else "it was closed"))


def refusal(error: BaseException, status: int | None) -> tuple[str]:
    """Why a server could not be connected to, for people. Never the error's own text, which may name the address."""
    if status is not None:
        return (f"it refuses the connection (HTTP {status})",)
    match error:
        case TimeoutError():
            return ("it did not answer in time",)
        case FileNotFoundError() | PermissionError():
            return ("its program cannot be started",)
        case MCPError():
            return (f"it does not accept the connection: {error.message[:200]}",)
        case _:
            return (f"the connection failed ({type(error).__name__})",)


def leaf_of(error: BaseException) -> BaseException:
    """The first error inside of the SDK's exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
