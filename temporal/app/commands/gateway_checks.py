"""What `perdure doctor --gateway URL` says of a gateway, as clients reach it: through whatever proxies are before it."""

import time
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from perdure.temporal.app.commands.checkup import Check

#: The gateway sends the second frame half a second after the first.
_APART_S: Final = 0.25
_TIMEOUT_S: Final = 15.0
_INSIDE: Final = (
    "a proxy may keep this from the public, as the shipped Caddyfile does: ask from inside, there at port 8081"
)


async def gateway(url: str) -> AsyncIterator[Check]:
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S) as http:
            yield await _ready(http)
            yield await _streams(http)
            yield await _asks(http)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        yield Check("failed", "gateway", f"{url} does not answer: {reason}", "perdure gateway starts one")


async def _ready(http: httpx2.AsyncClient) -> Check:
    answer = await http.get("/readyz")
    if answer.status_code == 200:
        return Check("ok", "gateway", f"{http.base_url} is ready, live answers: {_told(answer, 'live')}")
    if answer.status_code in (403, 404):
        found = f"/readyz answers {answer.status_code} at {http.base_url}"
        return Check("unknown", "gateway", found, _INSIDE)
    found = f"{http.base_url} is not ready: {_told(answer, 'detail')} ({answer.status_code})"
    misdirected = "name this host in PERDURE_ALLOWED_HOSTS" if answer.status_code == 421 else ""
    return Check("failed", "gateway", found, misdirected or "the other lines may say why")


async def _streams(http: httpx2.AsyncClient) -> Check:
    came: list[float] = []
    async with http.stream("GET", "/healthz/stream") as answer:
        if answer.status_code in (403, 404):
            found = f"/healthz/stream answers {answer.status_code}"
            return Check("unknown", "streaming", found, _INSIDE)
        if answer.status_code != 200:
            advice = "let the proxy pass /healthz/stream on, or ask a gateway of this version"
            return Check("failed", "streaming", f"/healthz/stream answers {answer.status_code}", advice)
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                came.append(time.monotonic())
    if len(came) != 2:
        return Check("failed", "streaming", f"{len(came)} of 2 frames came", "look at what the proxy logs")
    between = came[1] - came[0]
    if between < _APART_S:
        advice = "switch buffering of text/event-stream off there (nginx: proxy_buffering off); compression has to flush, too"
        return Check("failed", "streaming", "a proxy holds frames back: two came at once", advice)
    return Check("ok", "streaming", f"frames come as they are sent, {between:.1f} s apart")


async def _asks(http: httpx2.AsyncClient) -> Check:
    answer = await http.get("/v1/sessions", params={"agent": "~doctor"})
    if answer.status_code == 401:
        return Check("ok", "callers", "are asked who they are")
    if not answer.is_success and answer.status_code not in (400, 404, 422):
        return Check("unknown", "callers", f"/v1/sessions answers {answer.status_code}, which tells nothing of it")
    advice = "set PERDURE_KEYS_FILE or PERDURE_JWT_ISSUER for the gateways, unless a proxy asks and nobody passes by it"
    return Check("warning", "callers", f"are not asked who they are: /v1/sessions answers {answer.status_code}", advice)


def _told(answer: httpx2.Response, field: str) -> str:
    try:
        return str(answer.json()[field])
    except (ValueError, KeyError, TypeError):
        return "it does not say"
