"""Many sessions and one provider that takes so many requests a second: they wait for each other, and few are refused."""

import asyncio
import re
import time
from collections import Counter

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

SESSIONS = 200
A_SECOND = 8
AGENT = """
name: {name}
models: {{main: {{use: {use}, base_url: "{url}", price: {{input: 1, output: 1}}}}}}
model: main
instructions: Be brief.
"""


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    uses = {"claude": ("anthropic/m", provider.url), "chat": ("openai-chat/m", provider.chat_url)}
    return {f"{name}.yaml": AGENT.format(name=name, use=use, url=url) for name, (use, url) in uses.items()}


class Limited:
    """Takes `A_SECOND` requests in each second of the clock."""

    def __init__(self, *, tells: bool) -> None:
        self._tells = tells
        self._taken: Counter[int] = Counter()
        self.refused = 0

    def __call__(self, call: Call) -> Reply:
        now = time.time()
        second = int(now)
        left = A_SECOND - self._taken[second]
        resets = f"{(second + 1 - now) * 1000:.0f}ms"
        told = (("x-ratelimit-limit-requests", str(A_SECOND)), ("x-ratelimit-reset-requests", resets))
        if left > 0:
            self._taken[second] += 1
            remaining = (("x-ratelimit-remaining-requests", str(left - 1)),)
            return Reply(text="ok", headers=(*told, *remaining) if self._tells else ())
        self.refused += 1
        after = (("retry-after-ms", f"{(second + 1 - now) * 1000:.0f}"),)
        return Reply(
            status=429, headers=(*told, ("x-ratelimit-remaining-requests", "0"), *after) if self._tells else after
        )


@pytest.mark.parametrize("agent", ["claude", "chat"])
@pytest.mark.parametrize("tells", [True, False])
async def test_not_every_session_hears_that_there_are_too_many(
    provider: FakeProvider, http: httpx2.AsyncClient, agent: str, tells: bool
) -> None:
    limited = Limited(tells=tells)
    provider.reset()
    provider.default(limited)
    sessions = Sessions(http)
    few = asyncio.Semaphore(10)

    async def create() -> str:
        async with few:
            return await sessions.create(agent, message="hello")

    async def said(session: str) -> list[tuple[str, str]]:
        async with few, sessions.view(session) as viewer:
            await viewer.until("turn.finished")
        return texts((await sessions.snapshot(session))["messages"])

    ids = await asyncio.gather(*(create() for _ in range(SESSIONS)))
    for messages in await asyncio.gather(*map(said, ids)):
        assert messages == [("user", "hello"), ("assistant", "ok")]
    assert len(provider.calls) == SESSIONS + limited.refused
    assert limited.refused < SESSIONS / 5
    held = re.findall(
        r'perdure_calls_held_total{model="(.+?)/m",reason="rate_limit"', (await http.get("/metrics")).text
    )
    assert {"claude": "anthropic", "chat": "openai-chat"}[agent] in held
