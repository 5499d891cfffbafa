"""Requests of a foreign web page, made in every way in which a browser lets a page make requests."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Page
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from tests.support.serving import serve

#: A request that a page tries: method, address, body.
Try = tuple[str, str, Any]

_ATTACK: Final = """
async (tries) => {
  const answers = [];
  const note = (way, url, status, text) => answers.push({ way, url, status, text: text.slice(0, 10000) });
  // A page of the Web UI's own origin has the cookie that its writes must repeat; a `data:` page has none at all.
  const csrf = location.protocol === 'data:' ? null : /_csrf=([^;]+)/.exec(document.cookie)?.[1];
  const within = (promise) => Promise.race([promise, new Promise((done) => setTimeout(done, 5000))]).catch(() => {});
  const ended = (node) => new Promise((done) => (node.onload = node.onerror = done));
  const read = (way, url, options) =>
    within(fetch(url, options).then(async (r) => note(way, url, r.status, url.includes('/events') ? '' : await r.text())));
  const frame = () => {
    const node = Object.assign(document.createElement('iframe'), { name: `frame${Math.random()}` });
    document.body.append(node);
    return node;
  };
  for (const [method, url, body] of tries) {
    const json = body === null ? undefined : JSON.stringify(body);
    if (method === 'GET') {
      await read('cors', url, {});
      await within(fetch(url, { mode: 'no-cors' }));
      const image = new Image();
      image.src = url;
      await within(ended(image));
      const framed = frame();
      framed.src = url;
      await within(ended(framed));
      try {
        note('frame', url, 0, framed.contentDocument.body.innerText);
      } catch {}
      const events = new EventSource(url);
      await within(new Promise((done) => {
        events.onerror = done;
        events.addEventListener('message.added', ({ data }) => (note('events', url, 200, data), done()));
      }));
      events.close();
      continue;
    }
    if (method === 'POST') {
      await within(fetch(url, { method, body: json, mode: 'no-cors', headers: { 'Content-Type': 'text/plain' } }));
      navigator.sendBeacon(url, json ?? '');
      const target = frame();
      const form = Object.assign(document.createElement('form'), { method, action: url, target: target.name });
      if (json) {
        form.enctype = 'text/plain';
        // The pair's "=" ends up in a field that is ignored.
        const name = json === '{}' ? '{"x":"' : `${json.slice(0, -1)},"x":"`;
        form.append(Object.assign(document.createElement('input'), { name, value: '"}' }));
      }
      document.body.append(form);
      form.submit();
      await within(ended(target));
    }
    await read('text', url, { method, body: json });
    const headers = { 'Content-Type': 'application/json', ...(csrf && { 'X-CSRF-TOKEN': csrf }) };
    await read('json', url, { method, body: json, headers });
  }
  return answers;
}
"""


async def attack(page: Page, tries: list[Try]) -> list[dict[str, Any]]:
    """Makes `page` try all requests, one after the other. Returns the responses that it could read."""
    answers: list[dict[str, Any]] = await page.evaluate(_ATTACK, [list(one) for one in tries])
    return answers


@dataclass
class Site:
    """A foreign server: its pages are empty, and it records requests."""

    port: int = 0
    asked: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.url.path == "/":
            await HTMLResponse("<!doctype html><body>")(scope, receive, send)
            return
        self.asked.append((request.method, request.url.path, request.headers.get("content-type"), await request.body()))
        await Response(status_code=404)(scope, receive, send)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    running = Site()
    async with serve(running) as running.port:
        yield running


def on_gateway(url: str, session: str, question: str) -> list[Try]:
    """Requests to the gateway at `url`, without a trailing slash."""
    one = f"{url}/v1/sessions/{session}"
    return [
        *[("GET", f"{url}{path}", None) for path in ("/v1/sessions", "/metrics")],
        *[("GET", f"{one}{path}", None) for path in ("", "/trace", "/events?after=0")],
        ("POST", f"{one}/answers", {"question_id": question, "approved": True}),
        ("POST", f"{one}/messages", {"text": "evil"}),
        ("POST", f"{url}/v1/sessions", {"agent": "assistant", "session_id": "evil", "message": "evil"}),
        ("POST", f"{one}/stop", None),
        ("PATCH", one, {"metadata": {"evil": True}}),
        ("DELETE", one, None),
    ]


def on_temporal(url: str, workflow: str, question: str, program: list[str]) -> list[Try]:
    """Requests to Temporal's HTTP API, which the Web UI exposes as well. `program`: the command for an activity to
    run."""
    api = f"{url}/api/v1/namespaces/default"
    answer = {"id": "evil", "question_id": question, "approved": True}
    call = {"server": {"command": program}, "label": "x", "name": "x", "tool": "x", "args": {}}
    queue = {"name": "perdure"}
    activity = {"activityType": {"name": "call_mcp_tool"}, "taskQueue": queue, "startToCloseTimeout": "60s"}
    signal = {"signal": "answer", "identity": "evil", "input": _payloads(answer)}
    batch = {"jobId": "evil-batch", "reason": "x", "visibilityQuery": f"WorkflowId = '{workflow}'"}
    return [
        ("GET", f"{api}/workflows", None),
        ("GET", f"{api}/workflows/{workflow.replace('/', '%2F')}/history", None),
        ("POST", f"{api}/activities/evil", {**activity, "input": _payloads(call)}),
        ("POST", f"{api}/workflows/evil", {"workflowType": {"name": "Evil"}, "taskQueue": queue}),
        ("POST", f"{api}/batch-operations/evil-batch", {**batch, "signalOperation": signal}),
    ]


def _payloads(value: Any) -> dict[str, Any]:
    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    return {"payloads": [{"metadata": {"encoding": text(b"json/plain")}, "data": text(json.dumps(value).encode())}]}
