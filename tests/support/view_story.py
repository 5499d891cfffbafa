"""For tests of the pages' view: a Node that runs the pages' modules, and stories, which are events in order."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure.gateway.routes.client_module import joined

PAGES = Path(__file__).parent.parent.parent / "gateway" / "pages"
USAGE = {
    "input_tokens": 10,
    "cached_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 5,
    "reasoning_tokens": 0,
}
USER = {
    "id": "m1",
    "role": "user",
    "parts": [{"type": "text", "text": "Hello"}],
    "turn_id": "t1",
    "at": "2026-01-01T00:00:00Z",
}

Event = dict[str, Any]
Node = Callable[..., Any]

REDUCE = """
const views = [];
let view = emptyView();
for (const event of input) views.push((view = reduce(view, event)));
output(views);
"""


def open_node(site: Path) -> Node:
    """Runs a script with the exports of `client.js` and `sub_views.js`, `input` and `output(value)` in scope; returns
    the value given to `output`. The pages are laid out in `site` as the gateway serves them."""
    binary = shutil.which("node")
    if binary is None and os.environ.get("PERDURE_CI") == "1":
        pytest.fail("node is missing, and with PERDURE_CI=1 nothing is skipped")
    if binary is None:
        pytest.skip("node is not installed, so the pages' reducer cannot be run outside a browser")
    shutil.copytree(PAGES, site / "pages")
    (site / "client.js").write_text(joined(PAGES / "client" / "client.js"))
    (site / "package.json").write_text('{"type": "module"}')

    def run(script: str, given: Any) -> Any:
        start = (
            "import { PerdureClient, emptyView, openBelow, openQuestions, reduce, withFacts } from './client.js';\n"
            "import { questionsBelow, unwrapped, viewBelow, wrapped } from './pages/view/sub_views.js';\n"
            "const output = (value) => process.stdout.write(JSON.stringify(value));\n"
        )
        (site / "main.js").write_text(f"{start}const input = {json.dumps(given)};\n{script}")
        done = subprocess.run([binary, "main.js"], cwd=site, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


class Story:
    """Events in order; a test names only what matters to it, and durable events are numbered."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seq = 0

    def fact(self, kind: str, **fields: Any) -> "Story":
        self.seq += 1
        at = f"2026-01-01T00:00:{self.seq:02d}Z"
        self.events.append({"type": kind, "seq": self.seq, "at": at, "turn_id": "t1", **fields})
        return self

    def opening(self) -> "Story":
        self.fact("session.started", agent="assistant", digest="d", inputs={}, turn_id=None)
        self.fact("turn.started", cause="message")
        self.fact("message.added", message=USER)
        return self.fact("step.started", step_id="t1.s1", model="demo/demo")

    def delta(self, n: int, text: str, *, attempt: int = 1, part: int = 0, kind: str = "text", **more: Any) -> "Story":
        fields = {"step_id": "t1.s1", "attempt": attempt, "n": n, "part": part, "kind": kind, "delta": text, **more}
        self.events.append({"type": "step.delta", **fields})
        return self

    def snapshot(self, n: int, *parts: Event, attempt: int = 1) -> "Story":
        fields = {"step_id": "t1.s1", "attempt": attempt, "n": n, "parts": list(parts)}
        self.events.append({"type": "step.snapshot", **fields})
        return self

    def answer(
        self, *parts: Event, stop: str = "end", attempt: int = 1, cost_usd: float | None = 0.5, **told: Any
    ) -> "Story":
        message = {"id": "a1", "role": "assistant", "parts": list(parts), "turn_id": "t1", "at": "2026-01-01T00:00:09Z"}
        numbers = {"usage": USAGE, "cost_usd": cost_usd, "timing": {"first_token_ms": 1, "total_ms": 2}}
        more = {"stop": stop, "attempt": attempt, "request_sha256": "x", **told}
        return self.fact("step.finished", step_id="t1.s1", message=message, model="demo/demo", **{**numbers, **more})

    def end(self, reason: str = "done", cost_usd: float | None = 0.5, **more: Any) -> "Story":
        return self.fact("turn.finished", reason=reason, usage=USAGE, cost_usd=cost_usd, **more)


def text(value: str) -> Event:
    return {"type": "text", "text": value}


def tool_call(call_id: str, name: str) -> Event:
    return {"type": "tool_call", "call_id": call_id, "name": name, "args": {"x": 1}}


def tool_result(call_id: str, name: str, output: Any, *, is_error: bool = False) -> Event:
    return {"type": "tool_result", "call_id": call_id, "name": name, "output": output, "is_error": is_error}


def session_snapshot(seq: int, *messages: Event, **fields: Any) -> Event:
    facts = {"session_id": "s", "agent": "assistant", "status": "idle", "usage": USAGE, "cost_usd": 1.5, "queued": []}
    return {"type": "session.snapshot", "seq": seq, **facts, "messages": list(messages), "questions": [], **fields}


def texts(view: dict[str, Any]) -> list[str]:
    """All texts of the view's messages, in order."""
    messages = [message for turn in view["turns"] for message in turn["messages"]]
    return [part["text"] for message in messages for part in message["parts"] if part["type"] == "text"]


def last(node: Node, story: Story) -> dict[str, Any]:
    view: dict[str, Any] = node(REDUCE, story.events)[-1]
    return view
