"""People who talk without a pause, each in a session of their own, and follow it through whichever gateway is there."""

import asyncio
import itertools
import time
import uuid
from contextlib import suppress
from typing import Any, Final

import httpx2

from tests.support.session_client import Frame, frames_of, texts

#: Seconds until a call or a connection that failed is tried again.
_AGAIN_S: Final = 0.05
_PATIENCE_S: Final = 120
#: What a gateway or a proxy answers while those behind it are away; all of them say "try again".
_AWAY: Final = frozenset({429, 502, 503, 504})


class Person:
    """Sends a message, reads the answer as it is written, and sends the next one.

    A call that fails is made again with the same ids at the next of the `urls`, as every client can; a stream that ends is
    gone on with after the last durable event.
    """

    def __init__(self, http: httpx2.AsyncClient, urls: list[str], name: str) -> None:
        self._http = http
        self._urls = itertools.cycle(urls)
        self.session = f"{name}-{uuid.uuid4().hex}"
        self.frames: list[Frame] = []
        #: Seconds from one sign of an answer that is being written to the next, whatever lay between.
        self.gaps: list[float] = []
        self.sent: list[str] = []
        self._written_at: float | None = None
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        body = {"agent": "assistant", "session_id": self.session}
        await self._call("/v1/sessions", body)
        self._following = asyncio.create_task(self._follow())

    async def talk(self, enough: asyncio.Event) -> None:
        """Until `enough` is set; the last answer is waited for."""
        while not enough.is_set():
            message = f"m{len(self.sent) + 1}"
            self.sent.append(message)
            await self._call(f"/v1/sessions/{self.session}/messages", {"message_id": message, "text": message})
            await self.answered(len(self.sent))

    async def answered(self, count: int) -> None:
        """Returns once so many turns have ended."""

        def done() -> bool:
            return sum(frame.type == "turn.finished" for frame in self.frames) >= count

        async with asyncio.timeout(_PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: done() or self._following.done())
        if not done():
            self._following.result()
            raise AssertionError("following ended")

    async def leave(self) -> None:
        self._following.cancel()
        with suppress(asyncio.CancelledError):
            await self._following

    def check(self, answer: str) -> None:
        """Fails unless every message was taken once and answered once, by `answer`, and all events came once, in order."""
        durable = [frame for frame in self.frames if frame.seq is not None]
        assert [frame.seq for frame in durable] == list(range(1, len(durable) + 1))
        asked = [frame.data["message"]["id"] for frame in durable if _is_message_of(frame, "user")]
        assert asked == self.sent
        ends = [frame.data for frame in durable if frame.type == "turn.finished"]
        assert [end["reason"] for end in ends] == ["done"] * len(self.sent), ends
        answers = [frame.data["message"] for frame in durable if frame.type == "step.finished"]
        assert texts(answers) == [("assistant", answer)] * len(self.sent)

    async def _call(self, path: str, body: dict[str, Any]) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                with suppress(httpx2.TransportError):
                    answer = await self._http.post(next(self._urls) + path, json=body)
                    if answer.is_success:
                        return
                    assert answer.status_code in _AWAY, answer.text
                await asyncio.sleep(_AGAIN_S)

    async def _follow(self) -> None:
        after = 0
        while True:
            with suppress(httpx2.TransportError):
                url = f"{next(self._urls)}/v1/sessions/{self.session}/events?after={after}"
                async with self._http.stream("GET", url) as response:
                    assert response.status_code in {200, *_AWAY}, await response.aread()
                    if response.status_code == 200:
                        async for frame in frames_of(response):
                            after = frame.seq or after
                            await self._take(frame)
            await asyncio.sleep(_AGAIN_S)

    async def _take(self, frame: Frame) -> None:
        now = time.perf_counter()
        if frame.type in ("step.delta", "step.snapshot"):
            if self._written_at is not None:
                self.gaps.append(now - self._written_at)
            self._written_at = now
        elif frame.type == "step.finished":
            self._written_at = None
        async with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()


def _is_message_of(frame: Frame, role: str) -> bool:
    return frame.type == "message.added" and bool(frame.data["message"]["role"] == role)
