"""A client for tests of a gateway over real HTTP: sessions, messages, and the frames of event streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

#: Seconds after which a test stops waiting for an event.
PATIENCE_S = 60


@dataclass(frozen=True)
class Frame:
    """One server-sent event."""

    type: str
    #: `id:`; None on live frames.
    seq: int | None
    data: dict[str, Any]


async def frames_of(response: httpx2.Response) -> AsyncIterator[Frame]:
    """The frames of a stream, up to the end of its body or the break of the connection."""
    fields: dict[str, str] = {}
    try:
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" in fields:
                seq = int(fields["id"]) if "id" in fields else None
                yield Frame(fields["event"], seq, json.loads(fields["data"]))
            fields = {}
    except httpx2.TransportError:
        return


class Viewer:
    """Reads a session's stream in the background into `frames`."""

    def __init__(self, response: httpx2.Response) -> None:
        self.frames: list[Frame] = []
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read(response))

    async def until(self, kind: str, count: int = 1) -> list[Frame]:
        """All frames, once there are `count` of this type."""

        def seen() -> bool:
            return sum(frame.type == kind for frame in self.frames) >= count

        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: seen() or self._reading.done())
        assert seen(), f"the stream ended without {kind}: {[frame.type for frame in self.frames]}"
        return self.frames

    async def until_streaming(self, words: str = "") -> None:
        """Returns once a part of a model's answer that contains `words` has arrived, live or, for a late viewer, as a
        snapshot."""

        def seen() -> bool:
            live = [frame.data for frame in self.frames if frame.type in ("step.delta", "step.snapshot")]
            said = "".join(
                data["delta"] if "delta" in data else "".join(part.get("text", "") for part in data["parts"])
                for data in live
            )
            return bool(live) and words in said

        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: seen() or self._reading.done())
        assert seen(), f"the stream ended without an answer: {[frame.type for frame in self.frames]}"

    async def more(self, count: int) -> None:
        """Returns once there are more than `count` frames."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.frames) > count or self._reading.done())
        assert len(self.frames) > count, "the stream ended"

    @property
    def durable(self) -> list[Frame]:
        return [frame for frame in self.frames if frame.seq is not None]

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, response: httpx2.Response) -> None:
        try:
            async for frame in frames_of(response):
                self.frames.append(frame)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._changed.notify_all()


class Sessions:
    """A gateway's sessions. Every unexpected response fails the test."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def create(self, agent: str = "assistant", **body: Any) -> str:
        answer = await self.http.post("/v1/sessions", json={"agent": agent, **body})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["session_id"])

    async def send(self, session: str, text: str, **body: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/v1/sessions/{session}/messages", json={"text": text, **body})
        assert answer.status_code == 202, answer.text
        return _json(answer)

    async def ask(self, session: str, text: str) -> dict[str, Any]:
        """Sends and waits; returns the finished turn as `?wait=` does."""
        answer = await self.http.post(
            f"/v1/sessions/{session}/messages?wait={PATIENCE_S}", json={"text": text}, timeout=PATIENCE_S + 10
        )
        assert answer.status_code == 200, answer.text
        return _json(answer)

    async def stop(self, session: str) -> None:
        answer = await self.http.post(f"/v1/sessions/{session}/stop")
        assert answer.status_code == 202, answer.text

    async def answer(self, session: str, question_id: str, **answer: Any) -> None:
        response = await self.http.post(f"/v1/sessions/{session}/answers", json={"question_id": question_id, **answer})
        assert response.is_success, response.text

    async def configure(self, session: str, **body: Any) -> None:
        answer = await self.http.patch(f"/v1/sessions/{session}", json=body)
        assert answer.status_code == 200, answer.text

    async def snapshot(self, session: str) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/sessions/{session}")
        assert answer.status_code == 200, answer.text
        return _json(answer)

    @asynccontextmanager
    async def view(self, session: str, after: int = 0) -> AsyncIterator[Viewer]:
        """A viewer that is connected when the block begins."""
        url = f"/v1/sessions/{session}/events?after={after}"
        async with self.http.stream("GET", url, timeout=PATIENCE_S) as response:
            assert response.status_code == 200, await response.aread()
            viewer = Viewer(response)
            try:
                yield viewer
            finally:
                await viewer.close()


def texts(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(role, text) of each text part."""
    return [
        (message["role"], part["text"]) for message in messages for part in message["parts"] if part["type"] == "text"
    ]


def told(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of an error response; an invalid problem document fails the test."""
    assert answer.headers["content-type"] == "application/problem+json", (answer.status_code, answer.text)
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert len(answer.content) < 10_000
    return answer.status_code, str(problem["code"])


def _json(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()
    return found
