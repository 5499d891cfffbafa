"""Someone who talks without a pause, and follows the answers through whichever gateway is there."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import httpx2

from perdure.temporal.app.bench.rig.failure import BenchFailed

#: Seconds until a call or a connection that failed is tried again.
_AGAIN_S: Final = 0.05
_PATIENCE_S: Final = 120
#: What a gateway, or a proxy before it, answers with when a client is to try again.
_AWAY: Final = frozenset({429, 502, 503, 504})


class Person:
    """Sends a message, reads the answer as it is written, and sends the next one.

    A call that fails is made again with the same ids at the next of `urls`, as every client can; a stream that ends is
    opened again after the last durable event.
    """

    def __init__(self, http: httpx2.AsyncClient, urls: list[str], agent: str) -> None:
        self._http = http
        self._urls = itertools.cycle(urls)
        self._agent = agent
        self.session = uuid.uuid4().hex
        #: Durable events, in the order in which they came.
        self.events: list[dict[str, Any]] = []
        self.sent: list[str] = []
        #: Seconds from one piece of an answer to the next, whatever lay between.
        self.gaps: list[float] = []
        self._piece_at: float | None = None
        self._changed = asyncio.Condition()

    @property
    def finished(self) -> int:
        """How many turns have ended."""
        return sum(event["type"] == "turn.finished" for event in self.events)

    async def start(self) -> None:
        await self._call("/v1/sessions", {"agent": self._agent, "session_id": self.session})
        self._following = asyncio.create_task(self._follow())

    async def talk(self, enough: asyncio.Event) -> None:
        """Until `enough` is set; the last answer is waited for."""
        while not enough.is_set():
            message = f"m{len(self.sent) + 1}"
            self.sent.append(message)
            await self._call(f"/v1/sessions/{self.session}/messages", {"message_id": message, "text": message})
            await self.answered(len(self.sent))

    async def answered(self, count: int) -> None:
        """Returns once so many turns have ended. Raises `BenchFailed` if that takes minutes."""

        try:
            async with asyncio.timeout(_PATIENCE_S), self._changed:
                await self._changed.wait_for(lambda: self._following.done() or self.finished >= count)
        except TimeoutError:
            raise BenchFailed(f"no answer to m{count} within {_PATIENCE_S} s") from None
        if self._following.done():
            self._following.result()

    async def leave(self) -> None:
        self._following.cancel()
        with suppress(asyncio.CancelledError):
            await self._following

    def faults(self, answer: str) -> list[str]:
        """What is not as it has to be: each message taken once and answered once, by `answer`; each event once, in order."""
        found = []
        if [event["seq"] for event in self.events] != list(range(1, len(self.events) + 1)):
            found.append(f"events came as {[event['seq'] for event in self.events]}")
        messages = [event["message"] for event in self.events if event["type"] == "message.added"]
        taken = [message["id"] for message in messages if message["role"] == "user"]
        if taken != self.sent:
            found.append(f"{self.sent} were sent and {taken} taken")
        ends = [event["reason"] for event in self.events if event["type"] == "turn.finished"]
        if ends != ["done"] * len(self.sent):
            found.append(f"turns ended as {ends}")
        steps = [event["message"]["parts"] for event in self.events if event["type"] == "step.finished"]
        said = ["".join(part["text"] for part in parts if part["type"] == "text") for parts in steps]
        if said != [answer] * len(self.sent):
            found.append(f"answers are {said}")
        return found

    async def _call(self, path: str, body: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    if await self._is_taken(next(self._urls) + path, body):
                        return
                    await asyncio.sleep(_AGAIN_S)
        except TimeoutError:
            raise BenchFailed(f"{path} was not taken within {_PATIENCE_S} s") from None

    async def _is_taken(self, url: str, body: dict[str, Any]) -> bool:
        with suppress(httpx2.TransportError):
            answer = await self._http.post(url, json=body)
            if not answer.is_success and answer.status_code not in _AWAY:
                raise BenchFailed(f"{url} was answered with {answer.status_code}: {answer.text[:500]}")
            return answer.is_success
        return False

    async def _follow(self) -> None:
        while True:
            after = self.events[-1]["seq"] if self.events else 0
            url = f"{next(self._urls)}/v1/sessions/{self.session}/events?after={after}"
            with suppress(httpx2.TransportError):
                async with self._http.stream("GET", url) as response:
                    if response.status_code == 200:
                        async for event in _events(response):
                            await self._take(event)
                    elif response.status_code not in _AWAY:
                        raise BenchFailed(f"{url} was answered with {response.status_code}")
            await asyncio.sleep(_AGAIN_S)

    async def _take(self, event: dict[str, Any]) -> None:
        now = time.perf_counter()
        if event["type"] in ("step.delta", "step.snapshot"):
            if self._piece_at is not None:
                self.gaps.append(now - self._piece_at)
            self._piece_at = now
        elif event["type"] == "step.finished":
            self._piece_at = None
        if event["seq"] is not None:
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()


@asynccontextmanager
async def talking(count: int, urls: list[str], agent: str) -> AsyncIterator[list[Person]]:
    """So many people, who talk until the block ends; then each has the last answer."""
    async with AsyncExitStack() as stack:
        limits = httpx2.Limits(max_connections=None)
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=30, limits=limits))
        people = [Person(http, urls, agent) for _ in range(count)]
        await asyncio.gather(*(person.start() for person in people))
        for person in people:
            stack.push_async_callback(person.leave)
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(person.talk(enough))
            yield people
            enough.set()


async def turns(people: list[Person]) -> None:
    """Returns once each has got another answer."""
    await asyncio.gather(*(person.answered(person.finished + 1) for person in people))


async def _events(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    """The data of each event of the stream, with its `type`, and `seq`, None for what is only live."""
    kind, seq = "", None
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        match name:
            case "":
                kind, seq = "", None
            case "event":
                kind = value
            case "id":
                seq = int(value)
            case "data":
                yield {**json.loads(value), "type": kind, "seq": seq}
            case _:
                pass
