"""A front before `dev` that plays the events of one session, so that a page is sent as many in a second as a test wants.

Everything else is passed on: the page, its scripts and the drawing of texts are `dev`'s own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.support.serving import serve

SESSION: Final = "played"
_AT: Final = "2026-01-01T00:00:00Z"
_USAGE: Final = {
    "input_tokens": 10,
    "cached_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 5,
    "reasoning_tokens": 0,
}
_TIMING: Final = {"first_token_ms": 1, "total_ms": 2}
#: What is not passed on: how the body was packed, and how the connection was kept.
_HOPS: Final = {"content-encoding", "content-length", "transfer-encoding", "connection", "date", "server"}

Frames = Sequence[dict[str, Any]]


class Told:
    """The events and fragments of a session, numbered in order."""

    def __init__(self) -> None:
        self.seq = 0
        self.begun = False

    def fact(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.seq += 1
        return {"type": kind, "seq": self.seq, "at": _AT, "turn_id": None, **fields}

    def answer(self, number: int, text: str, pieces: int = 4) -> list[dict[str, Any]]:
        """The whole turn `number`: a question, and an answer in fragments."""
        turn, step = f"t{number}", f"t{number}.s1"
        said = {"id": f"m{number}", "role": "user", "parts": [{"type": "text", "text": f"Question {number}"}]}
        told = {"id": f"a{number}", "role": "assistant", "parts": [{"type": "text", "text": text}], "at": _AT}
        cuts = [text[at * len(text) // pieces : (at + 1) * len(text) // pieces] for at in range(pieces)]
        frames = [] if self.begun else [self.fact("session.started", agent="assistant", digest="d", inputs={})]
        self.begun = True
        frames.append(self.fact("turn.started", turn_id=turn, cause="message"))
        frames.append(self.fact("message.added", turn_id=turn, message={**said, "turn_id": turn, "at": _AT}))
        frames.append(self.fact("step.started", turn_id=turn, step_id=step, model="demo"))
        frames += [
            {"type": "step.delta", "step_id": step, "attempt": 1, "n": n, "part": 0, "kind": "text", "delta": cut}
            for n, cut in enumerate(cuts)
        ]
        numbers = {"usage": _USAGE, "cost_usd": 0.001}
        more = {"model": "demo", "timing": _TIMING, "stop": "end", "attempt": 1, "request_sha256": None}
        frames.append(
            self.fact("step.finished", turn_id=turn, step_id=step, message={**told, "turn_id": turn}, **numbers, **more)
        )
        frames.append(self.fact("turn.finished", turn_id=turn, reason="done", **numbers))
        return frames


class Played:
    """`ticks` are sent to whoever follows the session, one each `pause_s`; `client` asks the server behind it."""

    def __init__(self, client: httpx2.AsyncClient, ticks: Iterator[Frames], pause_s: float) -> None:
        self._client = client
        self._ticks = ticks
        self._pause_s = pause_s
        self.begin = asyncio.Event()
        self.done = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        if path == f"/v1/sessions/{SESSION}/events":
            return StreamingResponse(self._stream(), media_type="text/event-stream")
        if path == f"/v1/sessions/{SESSION}":
            # As of a session that is still short: the page reads it from its first event.
            return JSONResponse({"code": "session_not_found"}, 404)
        given = await self._client.request(
            request.method,
            request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            content=await request.body(),
            headers=[(name, value) for name, value in request.headers.items() if name not in ("host", "origin")],
        )
        kept = {name: value for name, value in given.headers.items() if name.lower() not in _HOPS}
        return Response(given.content, given.status_code, kept)

    async def _stream(self) -> AsyncIterator[bytes]:
        yield b": played\n\n"
        await self.begin.wait()
        loop = asyncio.get_running_loop()
        due = loop.time()
        for frames in self._ticks:
            yield b"".join(map(_encoded, frames))
            due += self._pause_s
            await asyncio.sleep(max(0.0, due - loop.time()))
        self.done.set()
        await asyncio.Event().wait()


@asynccontextmanager
async def played(behind: str, ticks: Iterator[Frames], pause_s: float) -> AsyncIterator[tuple[Played, str]]:
    """`behind`: the address of `dev`. Yields what plays, and its address."""
    async with httpx2.AsyncClient(base_url=behind) as client:
        app = Played(client, ticks, pause_s)
        async with serve(app) as port:
            yield app, f"http://127.0.0.1:{port}"


def _encoded(frame: dict[str, Any]) -> bytes:
    identity = f"id: {frame['seq']}\n" if "seq" in frame else ""
    return f"{identity}event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode()
