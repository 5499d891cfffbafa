"""What can become of a connection to an MCP server, and of a request on it.

Rule: no message holds the words of an error from below, for they may name the address.
"""

import httpx2
from mcp.shared.exceptions import MCPError

from perdure.activities.encoding.unpacking import NotUnpackable
from perdure.activities.mcp.http import Seen
from perdure.activities.mcp.program import Overlong, Unreadable, Word
from perdure.temporal.definitions.references import MissingVariable


class McpUnavailable(Exception):
    """The server could not be reached, so that nothing was asked of it. The message is for people.

    `final`: trying again changes nothing. `refused`: the server is there, and would not.
    """

    def __init__(self, message: str, *, final: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.final = final
        self.refused = refused


class McpLost(Exception):
    """A request was sent, and no answer came of which anything can be known. The message says why, for people."""


class McpTooMuch(Exception):
    """The server answered more than is read of an answer."""


def missing_variable(missing: MissingVariable) -> McpUnavailable:
    return McpUnavailable(f"the environment variable {missing} that its address needs is not set", final=True)


def of_program(error: MCPError) -> Exception:
    """The program's own word, or what became of the request in its place."""
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
    """What became of a request over HTTP that the server did not answer."""
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
    """What people are told of a server that takes no connection. Never the error's own words: they may name the address."""
    if status is not None:
        return (f"it refuses the connection (HTTP {status})",)
    match error:
        case TimeoutError():
            return ("it did not answer in time",)
        case FileNotFoundError() | PermissionError():
            return ("its program cannot be started",)
        case MCPError():
            return (f"it does not take the connection: {error.message[:200]}",)
        case _:
            return (f"the connection failed ({type(error).__name__})",)


def leaf_of(error: BaseException) -> BaseException:
    """The SDK's task groups wrap what went wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
