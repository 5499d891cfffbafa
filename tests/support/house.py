"""A gateway whose callers say who they are, with a session of Ann's, for tests of who may do what."""

import functools
import hashlib
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.requests import HTTPConnection

from perdure.gateway.app import create_app, create_routes
from perdure.gateway.projections.openai_ids import ResponseId
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import EVERYTHING
from tests.support.pictures import picture
from tests.support.session_lab import Lab, Play, Talk

OWN = tuple(scope.removesuffix(":any") for scope in EVERYTHING)
ANN = Principal("lab", "ann", OWN)
SECRET = "kumquat"
PNG = picture("PNG", (4, 4))
SHA256 = hashlib.sha256(PNG).hexdigest()
#: A body that each route takes, where it takes one.
BODIES: Mapping[str, Any] = {
    "POST /v1/sessions": {"agent": "helper"},
    "POST /v1/runs": {"agent": "helper", "message": "hello"},
    "PATCH /v1/sessions/{session_id}": {"metadata": {"seen": True}},
    "PATCH /v1/sessions/{session_id}/limits": {"session": {"cost_usd": 9}},
    "POST /v1/sessions/{session_id}/fork": {"turn_id": "t1"},
    "POST /v1/sessions/{session_id}/rewind": {"message_id": "m1"},
    "POST /v1/sessions/{session_id}/retry": {},
    "POST /v1/sessions/{session_id}/feedback": {"turn_id": "t1", "score": 1},
    "POST /v1/sessions/{session_id}/messages": {"text": "hello"},
    "POST /v1/sessions/{session_id}/triggers/{name}": {},
    "POST /v1/sessions/{session_id}/stop": {},
    "PUT /v1/sessions/{session_id}/messages/{message_id}": {"text": "other words"},
    "POST /v1/sessions/{session_id}/answers": {"question_id": "t2.s1.c1.approval", "approved": True},
    "POST /v1/sessions/{session_id}/tokens": {"scopes": ["read"], "ttl": "1m"},
    "POST /v1/responses": {"model": "helper", "input": "hello"},
    "POST /v1/chat/completions": {"model": "helper", "messages": [{"role": "user", "content": "hello"}]},
    "PUT /v1/budgets/{scope}/{id}": {"day": {"cost_usd": 1}},
    # With an id of its own each time.
    "POST /v1/ai-sdk/{agent}": {
        "messages": [{"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
    },
    "POST /v1/ai-sdk/{agent}/{chat_id}/stop": {},
    # Each of a thread of its own.
    "POST /v1/ag-ui/{agent}": {"runId": "r1", "messages": [{"id": "m1", "role": "user", "content": "hello"}]},
}


@functools.cache
def operations() -> dict[str, bool]:
    """All routes of the OpenAPI document, and whether they take a body."""
    paths = create_routes().openapi()["paths"]
    return {
        f"{method.upper()} {path}": "requestBody" in operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


@dataclass
class House:
    """A gateway whose callers say who they are, and what is Ann's: a session with an open approval, a timer, a picture and a
    budget; and a run."""

    http: httpx2.AsyncClient
    session_id: str
    who: Principal = ANN
    run_id: str = ""

    async def ask(self, operation: str, who: Principal, **values: str) -> httpx2.Response:
        self.who = who
        method, path = operation.split(" ")
        given = {
            "session_id": self.session_id,
            "run_id": self.run_id,
            "message_id": "m1",
            "branch": "b1",
            "timer_id": "t1.s1.c1.timer",
            "sha256": SHA256,
            "scope": "user",
            "id": "ann",
            "name": "helper",
            "jti": "0" * 32,
            "model": "helper",
            "response_id": str(ResponseId(self.session_id, "m1")),
            "agent": "helper",
            "chat_id": self.session_id,
            "thread_id": self.session_id,
            **values,
        }
        url = re.sub(r"\{(\w+)\}", lambda match: given[match[1]], path)
        if path == "/v1/files":
            return await self.http.request(method, url, content=PNG)
        body = BODIES[operation] if operations()[operation] else None
        if operation == "POST /v1/ai-sdk/{agent}":
            body = {**BODIES[operation], "id": uuid.uuid4().hex}
        if operation == "POST /v1/ag-ui/{agent}":
            body = {**BODIES[operation], "threadId": uuid.uuid4().hex}
        return await self.http.request(method, url, json=body)


@asynccontextmanager
async def house_in(lab: Lab) -> AsyncIterator[House]:
    async def authenticate(_request: HTTPConnection) -> Principal:
        return opened.who

    async def metrics() -> bytes:
        return b"up 1\n"

    app = create_app(
        client=lab.client,
        live=lab.live,
        blobs=lab.parts.blobs,
        definitions=lab.parts.definitions,
        settings=lab.parts.settings,
        authenticate=authenticate,
        read_metrics=metrics,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        opened = House(http, "")
        made = await http.post("/v1/sessions", json={"agent": "helper"})
        assert made.status_code == 201, made.text
        opened.session_id = made.json()["session_id"]
        talk = Talk(lab, lab.client.get_workflow_handle(f"lab/{opened.session_id}"))
        lab.stage.plays = [Play(calls=[("wake_me", {"after": "1d", "note": SECRET})]), Play(SECRET)]
        picture_part = {"type": "file", "uri": (await http.post("/v1/files", content=PNG)).json()["uri"]}
        first = {"message_id": "m1", "parts": [{"type": "text", "text": SECRET}, picture_part]}
        sent = await http.post(f"/v1/sessions/{opened.session_id}/messages?wait=60", json=first)
        assert sent.status_code == 200, sent.text
        lab.stage.plays = [Play(calls=[("book", {"size": 5})])]
        waits = await http.post(f"/v1/sessions/{opened.session_id}/messages?wait=60", json={"text": "book"})
        assert "waiting" in waits.text, waits.text
        run = await http.post("/v1/runs", json={"agent": "helper", "message": SECRET})
        assert run.status_code == 202, run.text
        opened.run_id = run.json()["run_id"]
        # Its model calls take none of the plays of others.
        assert (await http.get(f"/v1/runs/{opened.run_id}?wait=60")).json()["status"] == "done"
        yield opened
        await talk.close()
