"""The browser's client under Node: the SSE parser, a stream that breaks, messages that are sent again.

`client.js` is what the gateway serves as `/client.js`: one file, with all that it imports joined into it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure.gateway.routes.client_module import NotJoined, joined
from tests.test_python_client import WORDS

PAGES = Path(__file__).parent.parent / "gateway" / "pages"

Event = dict[str, Any]
Node = Callable[..., Any]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Runs a script with `client`, `input` and `output(value)` in scope; returns the value given to `output`."""
    binary = shutil.which("node")
    if binary is None and os.environ.get("PERDURE_CI") == "1":
        pytest.fail("node is missing, and with PERDURE_CI=1 nothing is skipped")
    if binary is None:
        pytest.skip("node is not installed, so the browser's client cannot be run outside a browser")
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(PAGES, site / "pages")
    (site / "client.js").write_text(joined(PAGES / "client" / "client.js"))
    (site / "package.json").write_text('{"type": "module"}')

    def run(script: str, given: Any = None) -> Any:
        program = (
            "import * as client from './client.js';\n"
            f"const input = {json.dumps(given)};\n"
            "const output = (value) => process.stdout.write(JSON.stringify(value));\n"
        )
        (site / "main.js").write_text(program + script)
        done = subprocess.run(
            [binary, "main.js"], cwd=site, capture_output=True, text=True, timeout=30, check=False, env={"PATH": ""}
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def told(*events: Event) -> list[Event]:
    """Durable events in order, numbered from 1."""
    return [{"seq": seq, "at": "2026-01-01T00:00:00Z", "turn_id": "t1", **event} for seq, event in enumerate(events, 1)]


USAGE = {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 1, "reasoning_tokens": 0}
SESSION = told(
    {"type": "session.started", "agent": "assistant", "digest": "d", "inputs": {}, "turn_id": None},
    {"type": "turn.started", "cause": "message"},
    {"type": "message.added", "message": {"id": "m1", "role": "user", "parts": [], "turn_id": "t1"}},
    {"type": "turn.finished", "reason": "done", "usage": USAGE, "cost_usd": 0.5},
    {"type": "session.closed", "reason": "closed", "turn_id": None},
)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_parser_takes_pieces_of_any_size(node: Node, size: int, end: str) -> None:
    lines = [
        ": hello",
        "retry: 2000",
        "",
        "id: 1",
        "event: a",
        'data: {"x":',
        "data: 1}",
        "",
        "data:plain",
        "",
        "event: cut",
    ]
    script = """
    const seen = [];
    const parse = client.sseParser((type, data) => seen.push([type, data]));
    for (let at = 0; at < input.text.length; at += input.size) parse(input.text.slice(at, at + input.size));
    output(seen);
    """
    given = {"text": end.join(lines) + end, "size": size}
    assert node(script, given) == [["a", '{"x":\n1}'], ["message", "plain"]]


STREAM = """
const frame = (event) => `id: ${event.seq}\\nevent: ${event.type}\\ndata: ${JSON.stringify(event)}\\n\\n`;
const asked = [];
const answers = [...input];
// Each answer is [status, events, whether it ends cleanly]; an empty list of answers would be a bug of the test.
const fetch = async (url, { headers }) => {
  const [status, events, clean] = answers.shift();
  asked.push(headers['Last-Event-ID'] ?? null);
  if (status === 0) throw new TypeError('network error');
  if (status !== 200) return new Response(status === 204 ? null : '{"code": "c", "detail": "d"}', { status });
  const body = new ReadableStream({
    pull(controller) {
      if (events.length) controller.enqueue(new TextEncoder().encode(frame(events.shift())));
      else if (clean) controller.close();
      else controller.error(new TypeError('network error'));
    },
  });
  return new Response(body);
};
const states = [];
const live = new client.PerdureClient({ fetch }).watch('s', {
  onView: () => {},
  onState: (state) => {
    states.push(state.name);
    // No pause is waited for.
    if (state.name === 'waiting') setTimeout(() => live.stream.wake());
    if (state.name === 'ended' || state.name === 'failed') output({ asked, states, view: live.view });
  },
});
"""


def test_a_stream_comes_back_with_its_cursor_until_the_session_is_closed(node: Node) -> None:
    broken = [[200, SESSION[:2], False], [0, [], False], [503, [], False], [200, SESSION[2:4], True]]
    run = node(STREAM, [*broken, [200, SESSION[4:], True]])
    assert run["asked"] == [None, "2", "2", "2", "4"]
    assert run["states"][-3:] == ["connecting", "open", "ended"]
    assert (run["view"]["seq"], run["view"]["status"], run["view"]["turns"][0]["reason"]) == (5, "closed", "done")


def test_a_gap_is_answered_by_asking_again_from_before_it(node: Node) -> None:
    run = node(STREAM, [[200, [*SESSION[:2], *SESSION[3:]], False], [200, SESSION[2:], True]])
    assert run["asked"] == [None, "2"]
    assert [message["id"] for message in run["view"]["turns"][0]["messages"]] == ["m1"]


def test_nothing_more_to_come_and_an_unknown_session_end_the_stream(node: Node) -> None:
    assert node(STREAM, [[204, [], False]])["states"] == ["connecting", "ended"]
    assert node(STREAM, [[404, [], False]])["states"] == ["connecting", "failed"]


def test_a_message_is_sent_again_with_the_same_id_until_it_is_taken(node: Node) -> None:
    script = """
    const statuses = [0, 503, 202];
    const bodies = [];
    globalThis.setTimeout = (run) => queueMicrotask(run);
    const fetch = async (url, { body }) => {
      bodies.push(body);
      const status = statuses.shift();
      if (status === 0) throw new TypeError('network error');
      return new Response('{"message_id": "m"}', { status });
    };
    const taken = await new client.PerdureClient({ fetch }).send('s', { messageId: 'm', text: 'Hello' });
    output({ bodies: bodies.map((body) => JSON.parse(body)), taken });
    """
    assert node(script) == {"bodies": [{"message_id": "m", "text": "Hello"}] * 3, "taken": {"message_id": "m"}}


@pytest.mark.parametrize(
    ("command", "choices", "named"),
    [
        ("rewind", {"message_id": "m1", "text": "Hi"}, "rewind_id"),
        ("rewind", {"branch": "b1"}, "rewind_id"),
        ("retry", {"turn_id": "t1"}, "retry_id"),
    ],
)
def test_a_rewind_and_a_retry_are_sent_again_with_the_same_id(
    node: Node, command: str, choices: Event, named: str
) -> None:
    script = """
    const statuses = [0, 503, 202, 202];
    const bodies = [];
    globalThis.setTimeout = (run) => queueMicrotask(run);
    const fetch = async (url, { body }) => {
      bodies.push(JSON.parse(body));
      const status = statuses.shift();
      if (status === 0) throw new TypeError('network error');
      return new Response('{}', { status });
    };
    const perdure = new client.PerdureClient({ fetch });
    for (let times = 0; times < 2; times++) await perdure[input.command]('s', input.choices);
    output(bodies);
    """
    *tries, later = node(script, {"command": command, "choices": choices})
    assert len(tries) == 3
    assert all(body == {named: tries[0][named], **choices} for body in tries)
    assert later == {**tries[0], named: later[named]}
    assert later[named] != tries[0][named]


def test_feedback_is_sent_until_it_is_taken(node: Node) -> None:
    script = """
    const statuses = [0, 503, 202];
    const asked = [];
    globalThis.setTimeout = (run) => queueMicrotask(run);
    const fetch = async (url, { method, body }) => {
      asked.push([method, url, JSON.parse(body)]);
      const status = statuses.shift();
      if (status === 0) throw new TypeError('network error');
      return new Response('{"seq": 7}', { status });
    };
    const taken = await new client.PerdureClient({ fetch }).feedback('s', 't1', { score: -1, text: 'No' });
    output({ asked, taken });
    """
    body = {"turn_id": "t1", "score": -1, "text": "No"}
    assert node(script) == {"asked": [["POST", "/v1/sessions/s/feedback", body]] * 3, "taken": {"seq": 7}}


def test_a_refused_message_is_not_sent_again(node: Node) -> None:
    script = """
    let asked = 0;
    const problem = '{"code": "session_closed", "detail": "It is closed."}';
    const fetch = async () => (asked++, new Response(problem, { status: 409 }));
    const error = await new client.PerdureClient({ fetch }).send('s', { text: 'Hello' }).catch((failure) => failure);
    output([asked, error.status, error.code, error.message]);
    """
    assert node(script) == [1, 409, "session_closed", "It is closed."]


CLIENT_TOOLS = """
const asked = { question_id: 't1.s1.c1.input', call_id: 't1.s1.c1', name: 'pick', form: 'result', args: { from: 'x' } };
const facts = [{ type: 'turn.started' }, { type: 'tool.started', ...asked }, { type: 'input.requested', ...asked }];
const events = facts.map((fact, index) => ({ seq: index + 1, at: '2026-01-01T00:00:00Z', turn_id: 't1', ...fact }));
const sent = [];
let ran = 0;
const live = { close() {} };
const done = () => (live.close(), output({ sent, ran }));
const fetch = async (url, { method, body, signal }) => {
  if (url.endsWith('/events')) {
    const frames = events.map((event) => `id: ${event.seq}\\nevent: ${event.type}\\ndata: ${JSON.stringify(event)}\\n\\n`);
    const start = (controller) => {
      controller.enqueue(new TextEncoder().encode(frames.join('')));
      signal.addEventListener('abort', () => controller.error(new Error('aborted')));
    };
    return new Response(new ReadableStream({ start }));
  }
  if (method === 'GET') {
    if (!input.open) setTimeout(done);
    return new Response(JSON.stringify({ questions: input.open ? [asked] : [] }));
  }
  sent.push(JSON.parse(body));
  const status = input.statuses.shift();
  if (!input.statuses.length) setTimeout(done);
  return new Response('{"code": "x", "detail": "result.hex: is missing"}', { status });
};
const pick = async (args, { callId }) => {
  ran += 1;
  if (input.fails) throw new Error('no camera');
  return { from: args.from, callId };
};
Object.assign(live, new client.PerdureClient({ fetch }).watch('s', { onView() {}, onState() {}, tools: { pick } }));
"""
PICKED = {"question_id": "t1.s1.c1.input", "result": {"from": "x", "callId": "t1.s1.c1"}}


@pytest.mark.parametrize(
    ("given", "sent", "ran"),
    [
        ({"open": True, "statuses": [202]}, [PICKED], 1),
        ({"open": True, "statuses": [409]}, [PICKED], 1),
        ({"open": False, "statuses": []}, [], 0),
        (
            {"open": True, "statuses": [202], "fails": True},
            [{"question_id": "t1.s1.c1.input", "approved": False, "reason": "no camera"}],
            1,
        ),
        (
            {"open": True, "statuses": [422, 202]},
            [
                PICKED,
                {
                    "question_id": "t1.s1.c1.input",
                    "approved": False,
                    "reason": "The app's answer was refused: result.hex: is missing",
                },
            ],
            1,
        ),
    ],
)
def test_an_app_s_function_answers_a_client_tool(node: Node, given: Event, sent: list[Event], ran: int) -> None:
    assert node(CLIENT_TOOLS, given) == {"sent": sent, "ran": ran}


FOLLOW = """
const frame = (event) => `event: ${event.type}\\ndata: ${JSON.stringify(event)}\\n\\n`;
const fetch = async (url, { method }) => {
  if (method === 'POST') return new Response('{"seq": 0, "message_id": "m1"}', { status: 202 });
  return new Response(new ReadableStream({
    start(feed) { for (const event of input) feed.enqueue(new TextEncoder().encode(frame(event))); },
  }));
};
const perdure = new client.PerdureClient({ fetch });
"""


def test_a_turn_is_its_own_events_and_no_others(node: Node) -> None:
    events = told(
        {"type": "session.started", "agent": "assistant", "digest": "d", "inputs": {}, "turn_id": None},
        {"type": "turn.started", "cause": "message", "turn_id": "t1"},
        {"type": "message.added", "message": {"id": "other", "turn_id": "t1"}, "turn_id": "t1"},
        {"type": "message.queued", "message_id": "m1", "position": 1, "turn_id": None},
        {"type": "turn.finished", "reason": "done", "turn_id": "t1"},
        {"type": "turn.started", "cause": "message", "turn_id": "t2"},
        {"type": "message.added", "message": {"id": "m1", "turn_id": "t2"}, "turn_id": "t2"},
        {"type": "turn.finished", "reason": "done", "turn_id": "t2"},
        {"type": "turn.started", "cause": "message", "turn_id": "t3"},
    )
    live = [
        {"type": "step.delta", "step_id": "t1.s1", "attempt": 1, "n": 0, "part": 0, "kind": "text", "delta": "No"},
        {"type": "tool.progress", "call_id": "t2.s1.c1", "message": "so far"},
    ]
    script = """
    const seen = [];
    for await (const event of perdure.turn('s', { messageId: 'm1', text: 'Hello' })) seen.push(event.seq ?? event.type);
    output(seen);
    process.exit();
    """
    assert node(FOLLOW + script, [*events[:4], live[0], *events[4:7], live[1], *events[7:]]) == [
        *(4, 6, 7, "tool.progress", 8),
    ]


def test_the_words_are_all_there_whatever_of_the_stream_is_missing(node: Node) -> None:
    script = """
    import { Words } from './pages/client/words.js';
    const words = new Words();
    output(input.map(([type, data]) => words.take({ type, ...data })));
    """
    assert node(script, [[kind, data] for kind, data, _ in WORDS]) == [more for _, _, more in WORDS]


def test_a_loop_over_events_ends_with_the_session_and_by_a_signal(node: Node) -> None:
    script = """
    const seen = [];
    for await (const { seq } of perdure.events('s')) seen.push(seq);
    const abort = new AbortController();
    const read = async () => {
      for await (const { seq } of perdure.events('s', { signal: abort.signal })) if (seq === 2) abort.abort();
    };
    const cut = await read().catch((error) => error.name);
    output([seen, cut, await read().catch((error) => error.name)]);
    process.exit();
    """
    assert node(FOLLOW + script, SESSION) == [[1, 2, 3, 4, 5], "AbortError", "AbortError"]


def test_a_thousand_drops_lose_and_repeat_nothing(node: Node) -> None:
    script = """
    let seed = 7;
    const chance = (below) => Math.floor((seed = (seed * 16807) % 2147483647) / 2147483647 * below);
    const told = Array.from({ length: 800 }, (_, at) => ({ type: 'todo.updated', seq: at + 1, id: 'é'.repeat(chance(40)) }));
    told.push({ type: 'session.closed', seq: 801, reason: 'closed' });
    const frames = told.map((one) => `id: ${one.seq}\\nevent: ${one.type}\\ndata: ${JSON.stringify(one)}\\n\\n`);
    let drops = 0;
    const fetch = async (url, { headers }) => {
      const kind = chance(4);
      if (kind < 2) drops++;
      if (kind === 0) throw new TypeError('network error');
      if (kind === 1) return new Response('{"code": "stopping"}', { status: 503 });
      const rest = frames.slice(headers['Last-Event-ID'] ?? 0);
      const whole = new TextEncoder().encode([': perdure\\nretry: 2000\\n\\n', ...rest].join(''));
      const until = chance(400);
      if (until < whole.length) drops++;
      return new Response(new ReadableStream({
        pull(feed) {
          if (!this.sent) return (this.sent = true), feed.enqueue(whole.slice(0, until));
          if (until < whole.length) feed.error(new TypeError('network error'));
          else feed.close();
        },
      }));
    };
    const wait = globalThis.setTimeout;
    // Pauses are not waited for; how long the client takes silence for a broken connection is.
    globalThis.setTimeout = (run, ms) => wait(run, ms < 10_000 ? 0 : ms);
    const seen = [];
    for await (const event of new client.PerdureClient({ fetch }).events('s')) seen.push(event);
    output({ same: JSON.stringify(seen) === JSON.stringify(told), drops });
    """
    found = node(script)
    assert found["same"]
    assert found["drops"] > 1000


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ("import { b } from './b.js';\nconst one = 1;\n", "one is declared in b.js and in a.js"),
        ("import { b as c } from './b.js';\n", "a.js renames what it imports from ./b.js"),
        ("import * as b from './b.js';\n", "a.js has an import of another kind"),
        ("import { a } from './a.js';\n", "a.js imports itself by way of a.js"),
    ],
)
def test_modules_that_do_not_fit_into_one_scope_are_not_joined(tmp_path: Path, other: str, why: str) -> None:
    (tmp_path / "b.js").write_text("export const b = 2;\nconst one = 1;\n")
    (tmp_path / "a.js").write_text(f"{other}export const a = 3;\n")
    with pytest.raises(NotJoined, match=why):
        joined(tmp_path / "a.js")
