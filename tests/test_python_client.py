"""The Python client by itself: its errors, its events, how long it waits, and what it imports."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from perdure.client import Event, Perdure, errors
from perdure.gateway.client import repeating
from perdure.gateway.client.answers import BY_CODE, error_of
from perdure.gateway.client.events import TurnFilter, events_in
from perdure.gateway.client.repeating import pause_s
from perdure.gateway.client.turn import turn_of
from perdure.gateway.client.words import Words
from perdure.gateway.http.problems import KINDS

#: Codes of requests that the client never makes.
NOT_MADE = {
    *("bad_request", "response_not_found", "unsupported_media_type", "foreign_origin", "unknown_host"),
    *("method_not_allowed", "too_slow"),
}


def test_every_code_of_the_gateway_has_a_class() -> None:
    assert BY_CODE.keys() == KINDS.keys() - NOT_MADE
    for code, kind in KINDS.items():
        error = error_of(kind.status, {"code": code, "detail": "Words."}, "7")
        assert (error.code, error.status, str(error), error.retry_after) == (code, kind.status, "Words.", 7)
        assert type(error) is BY_CODE.get(code, type(error))
        # What passes is what JavaScript's client makes again, too.
        assert error.passes == (kind.status in (408, 429, 502, 503, 504))


@pytest.mark.parametrize(
    ("status", "problem", "kind"),
    [
        (409, {"code": "of_a_newer_server", "detail": "No."}, errors.Conflict),
        (404, None, errors.NotFound),
        (502, "<html>", errors.Unavailable),
        (418, {"code": 3}, errors.Invalid),
        (500, {}, errors.ServerFailed),
    ],
)
def test_an_unknown_code_is_of_its_kind(status: int, problem: Any, kind: type[errors.PerdureError]) -> None:
    error = error_of(status, problem)
    assert type(error) is kind
    assert str(error)


@pytest.mark.parametrize(("told", "least", "most"), [(None, 3, 4), (7, 7, 7), (0, 0.25, 0.25), (100_000, 60, 60)])
def test_how_long_it_waits(told: float | None, least: float, most: float) -> None:
    assert least <= pause_s(30, told) <= most
    assert 0.18 < pause_s(0, None) <= 0.25


async def events_of(text: str) -> list[Event]:
    async def lines() -> Any:
        for line in text.split("\n"):
            yield line

    return [event async for event in events_in(lines())]


async def test_a_stream_is_read_to_its_last_whole_event() -> None:
    text = (
        ': hello\nretry: 2000\n\nid: 1\nevent: a.b\ndata: {"x":\ndata: 1}\n\nevent: c\ndata:{}\n\nid: 2\nevent: cut\n'
    )
    assert await events_of(text) == [Event("a.b", 1, {"x": 1}), Event("c", None, {})]


def test_a_turn_is_its_own_events_and_no_others() -> None:
    wanted = TurnFilter("m1")

    def take(of: str, seq: int | None, **data: Any) -> list[tuple[str, int | None]]:
        return [(event.type, event.seq) for event in wanted.take(Event(of, seq, data))]

    assert take("turn.started", 1, turn_id="t1") == []
    assert take("message.added", 2, turn_id="t1", message={"id": "other"}) == []
    assert take("message.queued", 3, turn_id=None, message_id="m1") == [("message.queued", 3)]
    assert take("message.rejected", 4, turn_id=None, message_id="other") == []
    assert take("step.delta", None, step_id="t1.s1", kind="text", delta="No") == []
    assert take("turn.finished", 5, turn_id="t1") == []
    assert take("turn.started", 6, turn_id="t2") == []
    assert take("message.added", 7, turn_id="t2", message={"id": "m1"}) == [("turn.started", 6), ("message.added", 7)]
    assert take("tool.progress", None, call_id="t2.s1.c1") == [("tool.progress", None)]
    assert not wanted.over
    assert take("turn.finished", 8, turn_id="t2") == [("turn.finished", 8)]
    assert wanted.over


@pytest.mark.parametrize(("running", "over"), [("t1", False), ("t2", True), (None, True)])
def test_a_snapshot_stands_for_events_that_are_no_longer_kept(running: str | None, over: bool) -> None:
    wanted = TurnFilter("m1")
    snapshot = {"messages": [{"id": "m1", "turn_id": "t1"}], "turn_id": running, "seq": 9}
    assert [event.type for event in wanted.take(Event("session.snapshot", None, snapshot))] == ["session.snapshot"]
    assert wanted.over is over


def test_a_turn_that_waits_is_one_and_one_that_takes_longer_is_none() -> None:
    assert turn_of({"status": "working", "message_id": "m1"}) is None
    waits = turn_of({"status": "waiting", "message_id": "m1", "questions": [{"question_id": "q"}]})
    assert waits is not None
    assert (waits.reason, waits.questions, waits.text) == ("waiting", ({"question_id": "q"},), "")


DELTA = {"step_id": "t1.s1", "attempt": 1, "part": 0, "kind": "text"}
#: Events, and what each adds to the text that is printed. JavaScript's client is held to the same.
WORDS: list[tuple[str, dict[str, Any], str]] = [
    ("step.delta", {**DELTA, "n": 0, "kind": "reasoning", "delta": "Hm."}, ""),
    ("step.delta", {**DELTA, "n": 1, "part": 1, "delta": "On"}, "On"),
    # A gap: the rest comes with the snapshot.
    ("step.delta", {**DELTA, "n": 3, "part": 1, "delta": "wo"}, ""),
    (
        "step.snapshot",
        {**DELTA, "n": 4, "parts": [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "One two"}]},
        "e two",
    ),
    ("step.delta", {**DELTA, "n": 4, "part": 1, "delta": " three"}, " three"),
    # The next attempt begins alike, and goes on otherwise; what comes late of the first one is nothing.
    ("step.delta", {**DELTA, "attempt": 2, "n": 0, "delta": "One"}, ""),
    ("step.delta", {**DELTA, "n": 5, "part": 1, "delta": " four"}, ""),
    ("step.delta", {**DELTA, "attempt": 2, "n": 1, "delta": " more"}, "\n\nOne more"),
    ("step.finished", {**DELTA, "message": {"parts": [{"type": "text", "text": "One more."}]}}, "."),
    ("tool.started", {"call_id": "t1.s1.c1"}, ""),
    # Of the next step nothing streams.
    ("step.finished", {"step_id": "t1.s2", "message": {"parts": [{"type": "text", "text": "Done."}]}}, "\n\nDone."),
    ("step.finished", {"step_id": "t1.s3", "message": {"parts": [{"type": "tool_call", "name": "a"}]}}, ""),
]


def test_the_words_are_all_there_whatever_of_the_stream_is_missing() -> None:
    words = Words()
    assert [words.take(Event(kind, None, data)) for kind, data, _ in WORDS] == [more for _, _, more in WORDS]


class Dropping(httpx2.AsyncByteStream):
    """A body that breaks off after so many bytes."""

    def __init__(self, body: bytes, until: int) -> None:
        self._body = body[:until]
        self._whole = until >= len(body)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        if not self._whole:
            raise httpx2.ReadError("the connection broke")


async def test_a_thousand_drops_lose_and_repeat_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_FIRST_S", 0)
    chance = random.Random(7)
    told = [{"type": "todo.updated", "seq": seq, "items": ["é" * chance.randrange(40)]} for seq in range(1, 801)]
    told.append({"type": "session.closed", "seq": 801, "reason": "closed"})
    frames = [f"id: {one['seq']}\nevent: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in told]
    drops = 0

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal drops
        match chance.randrange(4):
            case 0:
                drops += 1
                raise httpx2.ConnectError("nobody is there")
            case 1:
                drops += 1
                return httpx2.Response(503, json={"code": "stopping"})
        after = int(request.headers.get("Last-Event-ID", 0))
        body = b"".join([b": perdure\nretry: 2000\n\n", *frames[after:]])
        until = chance.randrange(600)
        drops += until < len(body)
        return httpx2.Response(200, stream=Dropping(body, until))

    async with Perdure("http://gateway", transport=httpx2.MockTransport(answer)) as perdure:
        seen = [event.data async for event in perdure.session("s").events()]
    assert seen == told
    assert drops > 1000


async def test_a_new_token_is_asked_for_once_and_what_was_refused_is_sent_again() -> None:
    asked = 0

    async def renew() -> str:
        nonlocal asked
        asked += 1
        return "new"

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.headers["Authorization"] != "Bearer new":
            return httpx2.Response(401, json={"code": "unauthenticated"})
        if request.url.path.endswith("/events"):
            return httpx2.Response(204)
        return httpx2.Response(200, json={"agents": []})

    transport = httpx2.MockTransport(answer)
    async with Perdure("http://gateway", api_key="old", renew=renew, transport=transport) as perdure:
        assert await asyncio.gather(*(perdure.agents() for _ in range(5))) == [{"agents": []}] * 5
        assert [event async for event in perdure.session("s").events()] == []
    assert asked == 1
    async with Perdure("http://gateway", api_key="old", transport=transport) as perdure:
        with pytest.raises(errors.Unauthenticated):
            await perdure.agents()
        with pytest.raises(errors.Unauthenticated):
            _ = [event async for event in perdure.session("s").events()]


def test_it_imports_nothing_heavy() -> None:
    script = "import sys, perdure.client; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"temporalio", "pydantic", "fastapi", "starlette", "openai", "anthropic"}.isdisjoint(done.stdout.split())
