"""What clients do with a request that was one too many: `perdure chat` and `client.js` say so, and go on by themselves."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from perdure.temporal.app.chat.requests import Requests
from perdure.temporal.app.chat.stream import LIMITED, QUEUE, Frame, InBackground, frames_after
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import GatewayAddress
from tests.support.view_story import Node, open_node

_EVENT = b'id: 1\nevent: session.started\ndata: {"seq": 1}\n\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def too_many(code: str = "rate_limited", seconds: str = "0") -> tuple[int, dict[str, str], bytes]:
    return 429, {"Retry-After": seconds}, json.dumps({"code": code, "detail": "Too many."}).encode()


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[Connection, list[Any]]]:
    """A connection to a server that gives these answers in turn, and the bodies that it was sent."""
    left, bodies = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.do_GET()

        def do_GET(self) -> None:
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        with Connection(GatewayAddress(f"http://127.0.0.1:{server.server_port}", "", "")) as connection:
            yield connection, bodies
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_what_was_typed_is_sent_until_it_is_taken() -> None:
    said: list[str] = []
    refusals = [too_many(), too_many(), too_many("too_many_turns")]
    with answering(*refusals, (202, {}, b"{}")) as (http, bodies):
        body = {"message_id": "m", "text": "a long thought"}
        answer = Requests(http, "/v1/sessions/s", lambda words, style: said.append(words)).patiently(
            "POST", "messages", body
        )
    assert answer.status_code == 202
    assert bodies == [body] * 4
    assert said == ["(too many requests; trying again in 0 s)", "(too many sessions are at work; trying again in 0 s)"]


def test_a_stream_too_many_is_asked_for_again() -> None:
    with answering(too_many("too_many_streams"), (200, {}, _EVENT)) as (http, _):
        frames = frames_after(http, "/v1/sessions/s", 0)
        assert [next(frames), next(frames)] == [
            (LIMITED, None, {"words": "(too many event streams are open; trying again in 0 s)"}),
            ("session.started", 1, {"seq": 1}),
        ]


def test_no_more_is_read_than_somebody_takes() -> None:
    full, taken = threading.Event(), threading.Event()
    read_on: list[bool] = []

    def frames() -> Iterator[Frame]:
        for n in range(QUEUE + 100):
            if n == QUEUE:
                full.set()
            elif n > QUEUE:
                read_on.append(taken.is_set())
            yield "step.delta", None, {"n": n}

    reader = InBackground(frames(), lambda frame: None)
    assert full.wait(30)
    taken.set()
    found = [reader.wait()[2]["n"] for _ in range(QUEUE + 100)]
    assert found == list(range(QUEUE + 100))
    assert read_on == [True] * 99


_CLIENT = """
import { tooMany } from './pages/shared/limited.js';
const statuses = [429, 503, 429, 200, 429, 200, 429, 200];
const waits = [], told = [];
globalThis.setTimeout = (run, wait) => (waits.push(Math.round(wait / 1000)), queueMicrotask(run));
const fetch = async () => {
  const status = statuses.shift();
  const headers = status === 429 ? { 'Retry-After': '7' } : {};
  return new Response('{"code": "too_many_turns", "text": "kept"}', { status, headers });
};
const perdure = new PerdureClient({ fetch });
const onRetry = (error, wait) => told.push(tooMany(error, wait));
const sent = await perdure.send('s', { messageId: 'm', text: 'Hello', onRetry });
const listed = await perdure.listSessions();
const uploaded = await perdure.upload(new Blob(['x']), { name: 'x.txt' });
output({ waits: waits.filter(Boolean), told, answers: [sent.text, listed.text, uploaded.text] });
"""


def test_the_browser_s_client_waits_as_long_as_it_is_told(node: Node) -> None:
    limited = "Too many sessions are at work, trying again in 7 s"
    assert node(_CLIENT, None) == {"waits": [7, 7, 7, 7], "told": [limited, None, limited], "answers": ["kept"] * 3}


def test_what_nobody_sees_being_asked_is_given_up_in_the_end(node: Node) -> None:
    script = """
    let asked = 0;
    globalThis.setTimeout = (run) => queueMicrotask(run);
    const fetch = async () => (asked++, new Response('{"code": "rate_limited"}', { status: 429 }));
    const error = await new PerdureClient({ fetch }).agents().catch((failure) => failure);
    output([asked, error.status, error.limited]);
    """
    assert node(script, None) == [5, 429, True]


def test_a_stream_of_the_browser_s_client_waits_as_long_as_it_is_told(node: Node) -> None:
    script = """
    import { tooMany } from './pages/shared/limited.js';
    const fetch = async () => new Response('{"code": "too_many_streams"}', { status: 429, headers: { 'Retry-After': '3' } });
    const onState = ({ name, error, retryIn }) => {
      if (name !== 'waiting') return;
      stream.close();
      output([error.code, retryIn, tooMany(error, retryIn)]);
    };
    const stream = new PerdureClient({ fetch }).stream('s', { onEvent() {}, onState });
    """
    assert node(script, None) == ["too_many_streams", 3000, "Too many pages are open, trying again in 3 s"]


_OUTBOX = """
import { Outbox } from './pages/chat/outbox.js';
const answers = [429, 429, 202];
globalThis.setTimeout = (run) => queueMicrotask(run);
const kept = new Map();
const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: (key) => kept.delete(key),
  keys: () => [...kept.keys()],
};
const fetch = async () => {
  const status = answers.shift();
  return new Response('{"code": "rate_limited"}', { status, headers: status === 429 ? { 'Retry-After': '2' } : {} });
};
const seen = [];
const onChange = () => seen.push(...outbox.of('s').map(({ text, state, note }) => [text, state, note ?? null, kept.size]));
const outbox = new Outbox(new PerdureClient({ fetch }), storage, onChange, () => {});
await outbox.send({ sessionId: 's', messageId: 'm', text: 'a long thought' });
output(seen);
"""


def test_the_chat_page_keeps_a_message_until_it_is_taken(node: Node) -> None:
    words = "Too many requests, trying again in 2 s"
    waits = ["a long thought", "retrying", words, 1]
    assert node(_OUTBOX, None) == [waits, waits, ["a long thought", "accepted", words, 0]]
