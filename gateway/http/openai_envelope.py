"""Problems on the routes for OpenAI's clients, as those clients read them: `{error: {message, type, param, code}}`.

Rule: whatever refuses a request refuses it as everywhere else, with the same `code`; here the answer is put into other words.
"""

import json
import re
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.gateway.http.problems import MEDIA_TYPE

#: Paths that OpenAI's clients ask for.
PATHS: Final = re.compile(r"/v1/(?:responses|models|chat/completions)(?:/.*)?")
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
#: Refusals that the same request will get again, though OpenAI's clients try a 409 once more by themselves.
_FINAL: Final = 409


class OpenAIEnvelope:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or PATHS.fullmatch(scope["path"]) is None:
            await self._app(scope, receive, send)
            return
        head: Message | None = None
        body = b""

        async def translated(message: Message) -> None:
            nonlocal head, body
            if message["type"] == "http.response.start" and _is_problem(message):
                head = message
                return
            if head is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            # A refused body is still read to its end after the whole answer was sent.
            problem = _read(body)
            if problem is None and message.get("more_body"):
                return
            start, head = head, None
            await _answer(start, problem or {}, send, more=message.get("more_body", False))

        await self._app(scope, receive, translated)


async def _answer(start: Message, problem: dict[str, Any], send: Send, *, more: bool) -> None:
    status = 400 if start["status"] == 422 else start["status"]
    body = json.dumps({"error": envelope(status, problem)}, ensure_ascii=False).encode()
    headers = MutableHeaders(raw=list(start.get("headers", ())))
    headers["Content-Type"] = "application/json"
    headers["Content-Length"] = str(len(body))
    if status == _FINAL:
        headers["x-should-retry"] = "false"
    await send({**start, "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body, "more_body": more})


def envelope(status: int, problem: dict[str, Any]) -> dict[str, Any]:
    """`problem` is the body of a problem document."""
    first: dict[str, Any] = next(iter(problem.get("errors", ())), {})
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    message = problem.get("detail") or problem.get("title") or "The request failed."
    return {"message": message, "type": kind, "param": first.get("field"), "code": problem.get("code")}


def _is_problem(message: Message) -> bool:
    headers = MutableHeaders(raw=list(message.get("headers", ())))
    return headers.get("content-type", "").startswith(MEDIA_TYPE)


def _read(body: bytes) -> dict[str, Any] | None:
    """None until it is whole."""
    try:
        found: dict[str, Any] = json.loads(body)
    except ValueError:
        return None
    return found
