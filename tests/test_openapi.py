"""The OpenAPI document, checked against a gateway's real responses: all routes, all events, all live frames."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.gateway.app import create_routes
from perdure.gateway.openapi import examples
from perdure.gateway.openapi.stream import EVENTS, FRAMES, type_of
from perdure.gateway.openapi.words import FIELDS
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.openapi_check import Checked
from tests.support.session_client import PATIENCE_S, Sessions, Viewer, frames_of

_HEAD = """
models:
  main: {use: anthropic/claude-haiku-5-5}
  other: {use: anthropic/claude-sonnet-5-5}
model: main
instructions: Be brief.
"""
CLERK = f"""
name: clerk
{_HEAD}
tools:
  - draw: {{approval: always}}
  - client: {{name: pick, description: Picks}}
  - wake_me
  - todo
schedules: [{{cron: "0 9 * * MON", session: weekly, message: "Write the report"}}]
events: {{paid: {{inputs: {{amount: {{type: number}}}}}}}}
handlers:
  charge:
    - wait: {{event: paid, when: "{{{{ event.amount > 2 }}}}", for: 2d, into: payment}}
    - say: "Thank you for {{{{ payment.amount }}}}."
  check:
    inputs: {{topic: {{type: string}}}}
    do:
      - generate: {{prompt: "How many {{{{ topic }}}} are broken?", into: found}}
      - say: "{{{{ topic }}}}: {{{{ found }}}}"
"""
BOSS = f"name: boss\n{_HEAD}\ntools: [agent: {{name: clerk, description: Helps}}]"
TOOLS = '''
import asyncio
from temporalio import activity

@activity.defn
async def draw(steps: int) -> bytes:
    """Draws."""
    for step in range(steps):
        activity.heartbeat("drawing", step / steps)
        await asyncio.sleep(0.3)
    return b"\\x89PNG\\r\\n\\x1a\\n" + bytes(16)
'''
LONG = Reply(text=" ".join(f"word{n}" for n in range(80)), gap=0.03)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> AsyncIterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    (folder / "agents").mkdir()
    (folder / "agents" / "clerk.yaml").write_text(CLERK)
    (folder / "agents" / "boss.yaml").write_text(BOSS)
    (folder / "tools.py").write_text(TOOLS)
    running = Dev(folder, environment, ["--agents", str(folder / "agents"), "--tools", str(folder / "tools.py")])
    await running.start()
    yield running
    await running.stop()


def test_each_item_of_a_stream_has_an_example_that_fits() -> None:
    document = create_routes().openapi()
    checked = Checked(document)
    for event in EVENTS:
        checked.fits({"$ref": f"#/components/schemas/{event.__name__}"}, examples.EVENTS[type_of(event)])
    for kind, example in examples.FRAMES.items():
        checked.fits({"$ref": f"#/components/schemas/{FRAMES[kind].__name__}"}, example)
    assert set(examples.EVENTS) == {type_of(event) for event in EVENTS}


def test_a_record_is_taken_and_given_under_one_name() -> None:
    schemas = create_routes().openapi()["components"]["schemas"]
    assert "Limits" in schemas
    assert [name for name in schemas if not name.isidentifier()] == []


def test_every_route_and_field_is_described() -> None:
    document = create_routes().openapi()
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert [name for name, operation in operations if not operation.get("description")] == []
    untold = [
        name
        for name, operation in operations
        for status, answer in operation["responses"].items()
        if status in ("200", "201", "202") and answer.get("content", {}).get("application/json", {}).get("schema") == {}
    ]
    assert untold == []
    silent = [
        (name, field)
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]
    assert silent == []
    used = {field for schema in document["components"]["schemas"].values() for field in schema.get("properties", {})}
    assert set(FIELDS) - used == set()


@pytest.mark.server
async def test_a_gateway_answers_as_its_document_says(dev: Dev, provider: FakeProvider) -> None:
    async with httpx2.AsyncClient(base_url=dev.url, timeout=PATIENCE_S) as http:
        checked = Checked((await http.get("/openapi.json")).json())
    hooks = {"response": [checked.response]}
    async with httpx2.AsyncClient(base_url=dev.url, timeout=PATIENCE_S, event_hooks=hooks) as http:
        story = Story(dev, provider, Sessions(http), checked)
        await story.a_session_with_questions()
        await story.a_session_that_changes()
        await story.a_session_that_outgrows_its_model()
        await story.a_session_that_is_rewound()
        await story.a_session_that_is_triggered()
        await story.a_sub_agent()
        await story.a_thread_of_ag_ui()
        await story.a_session_that_closes()
        await story.an_agent_that_is_run_once()
        await story.openai_s_clients()
        await story.a_chat_of_the_ai_sdk()
        await story.what_stands_around_sessions()
        await story.refusals()

    types = {type_of(event) for event in EVENTS} | set(FRAMES)
    # The worker of `dev` is in its process, and never missing; a provider that fails for seconds is in `test_trouble`.
    assert types - checked.items == {"workers.state", "step.retrying"}
    operations = {
        f"{method.upper()} {path}" for path, methods in checked.document["paths"].items() for method in methods
    }
    assert operations - {name for name, status in checked.answers if status < 300} == set()
    assert {status for _, status in checked.answers} >= {200, 201, 202, 404, 409, 422}


class Story:
    """Makes every kind of request that a gateway accepts. Every response is checked."""

    def __init__(self, dev: Dev, provider: FakeProvider, sessions: Sessions, checked: Checked) -> None:
        self.agents = dev.data_dir / "agents"
        self.provider = provider
        self.sessions = sessions
        self.http = sessions.http
        self.checked = checked

    @asynccontextmanager
    async def view(self, session: str, after: int = 0) -> AsyncIterator[Viewer]:
        async with self.sessions.view(session, after) as viewer:
            yield viewer
            for frame in viewer.frames:
                self.checked.frame(frame)

    async def a_session_with_questions(self) -> None:
        calls = (("draw", {"steps": 4}), ("pick", {"prompt": "Which?"}), ("wake_me", {"after": "1ms", "note": "Look"}))
        todo = ("todo", {"items": [{"text": "Draw", "status": "doing"}]})
        self.provider.script(
            Reply(text="", reasoning="hm", tools=(*calls, todo)), Reply(), Reply(text="Awake."), Reply()
        )
        url = "/v1/sessions/told"
        body = {"agent": "clerk", "session_id": "told", "user": "ada", "message": {"message_id": "m1", "text": "Go"}}
        for _ in range(2):
            await self.http.post("/v1/sessions", json=body)
        async with self.view("told") as viewer:
            await viewer.until("approval.requested")
            await viewer.until("input.requested")
            assert len((await self.http.get(url)).json()["questions"]) == 2
            waiting = await self.http.post(f"{url}/messages?wait=5", json={"text": "Well?"})
            assert waiting.json()["status"] == "waiting"
            asked = [frame.data for frame in viewer.frames if frame.type in ("approval.requested", "input.requested")]
            for question in asked:
                answer: dict[str, Any] = {"result": {"any": [1, None]}}
                if question["type"] == "approval.requested":
                    answer = {"approved": True}
                await self.http.post(f"{url}/answers", json={"question_id": question["question_id"], **answer})
            await viewer.until("tool.progress")
            await viewer.until("timer.fired")
            frames = await viewer.until("turn.finished", 3)
        drawn = next(frame.data for frame in frames if frame.type == "tool.finished" and frame.data["name"] == "draw")
        await self.http.get(f"{url}/files/{drawn['result']['output']['uri'].rpartition('/')[2]}")
        await self.http.get(f"{url}/trace")
        await self.http.get(f"{url}/trace?before=3&limit=2")
        await self.http.get(f"{url}?messages=2")
        await self.http.get(f"{url}/messages?before=3&limit=2")

    async def a_session_that_changes(self) -> None:
        url = "/v1/sessions/told"
        await self.http.patch(url, json={"model": "other"})
        await self.http.patch(f"{url}/limits", json={"session": {"cost_usd": 4.0}})
        before = (await self.http.get("/v1/agents/clerk")).json()["digest"]
        (self.agents / "clerk.yaml").write_text(CLERK.replace("Be brief", "Be very brief"))
        async with asyncio.timeout(PATIENCE_S):
            while (await self.http.get("/v1/agents/clerk")).json()["digest"] == before:
                pass
        self.provider.script(LONG, Reply(text="", tools=(("wake_me", {"after": "2d", "note": "Later"}),)), Reply())
        after = (await self.http.get(url)).json()["seq"]
        async with self.view("told", after) as viewer:
            await self.http.post(f"{url}/messages", json={"text": "A long one"})
            await viewer.until("step.delta", 3)
            async with self.view("told", after) as late:
                await late.until("step.snapshot")
            await self.http.post(f"{url}/messages", json={"text": "Queued"})
            await viewer.until("message.queued")
            for number, busy in enumerate(("queue", "queue", "reject", "steer", "interrupt")):
                body = {"message_id": f"busy{number}", "text": "And this", "busy": busy}
                await self.http.post(f"{url}/messages", json=body)
                if number == 1:
                    await self.http.put(f"{url}/messages/busy0", json={"text": "Edited"})
                    await self.http.delete(f"{url}/messages/busy1")
            await viewer.until("turn.finished", 4)
            await self.http.post(f"{url}/stop")
            await self._pause(url, viewer)
            await self.http.post(f"{url}/feedback", json={"turn_id": "t1", "score": -1, "text": "Too long"})
            await viewer.until("feedback.given")
        await self.http.get(f"{url}/variables")
        timer = (await self.http.get(f"{url}/timers")).json()["timers"][0]["timer_id"]
        await self.http.delete(f"{url}/timers/{timer}")
        await self.http.post(f"{url}/fork", json={"turn_id": "t1"})
        await self.http.put("/v1/budgets/user/nobody", json={"day": {"cost_usd": 1.5}, "total": None})
        await self.http.get("/v1/budgets/user/nobody")
        await self.http.get("/v1/budgets")
        self.provider.script(Reply(text="Here."))
        turn = await self.http.post(f"{url}/messages?wait={PATIENCE_S}", json={"text": "There?"})
        assert turn.json()["turn"]["reason"] == "done"
        self.provider.script(Reply(text="Here."))
        accept = {"Accept": "text/event-stream"}
        async with self.http.stream("POST", f"{url}/messages", json={"text": "And now?"}, headers=accept) as stream:
            async for frame in frames_of(stream):
                self.checked.frame(frame)

    async def _pause(self, url: str, viewer: Viewer) -> None:
        await self.http.patch(f"{url}/limits", json={"turn": {"cost_usd": 0.0}})
        self.provider.script(Reply(text="Here."))
        await self.http.post(f"{url}/messages?wait={PATIENCE_S}", json={"text": "At a limit"})
        await viewer.until("budget.paused")
        (question,) = (await self.http.get(url)).json()["questions"]
        answer = {"question_id": question["question_id"], "result": {"cost_usd": 4.0}}
        await self.http.post(f"{url}/answers", json=answer)
        raised = (await viewer.until("budget.raised"))[-1]
        while not any(one.type == "turn.finished" and (one.seq or 0) > (raised.seq or 0) for one in viewer.frames):
            await viewer.until("turn.finished", sum(one.type == "turn.finished" for one in viewer.frames) + 1)

    async def a_session_that_outgrows_its_model(self) -> None:
        self.provider.script(Reply(text="One."), Reply(text="Two.", input_tokens=2_000_000))
        await self.sessions.create("clerk", session_id="long", message="Tell me")
        async with self.view("long") as viewer:
            await viewer.until("turn.finished")
            await self.sessions.send("long", "And more")
            await viewer.until("context.compacted")
        steps = (await self.http.get("/v1/sessions/long/trace")).json()["steps"]
        assert [step.get("purpose") for step in steps] == [None, None, "compact"]

    async def a_session_that_is_rewound(self) -> None:
        url = "/v1/sessions/rewound"
        self.provider.script(Reply(text="One."), Reply(text="Uno."), Reply(status=401), Reply(text="Dos."))
        await self.sessions.create("clerk", session_id="rewound", message={"message_id": "m1", "text": "one"})
        async with self.view("rewound") as viewer:
            await viewer.until("turn.finished")
            await self.http.post(f"{url}/rewind", json={"message_id": "m1", "text": "uno"})
            await viewer.until("turn.finished", 2)
            await self.http.post(f"{url}/messages", json={"text": "dos"})
            await viewer.until("turn.finished", 3)
            await self.http.post(f"{url}/retry", json={})
            await viewer.until("turn.finished", 4)
            await self.http.post(f"{url}/rewind", json={"branch": "b1"})
            await viewer.until("transcript.rewound", 2)
        await self.http.get(f"{url}/branches")
        await self.http.get(f"{url}/branches/b2")
        await self.http.post(f"{url}/rewind", json={"message_id": "nobody"})
        await self.http.post(f"{url}/retry", json={"turn_id": "t1"})

    async def a_session_that_is_triggered(self) -> None:
        url = "/v1/sessions/triggered"
        self.provider.script(Reply(text="Two of three."))
        await self.sessions.create("clerk", session_id="triggered")
        async with self.view("triggered") as viewer:
            for _ in range(2):
                body = {"inputs": {"topic": "lamps"}, "trigger_id": "x1"}
                assert (await self.http.post(f"{url}/triggers/check", json=body)).status_code == 202
            await viewer.until("turn.finished")
            seen = [frame.data for frame in viewer.frames if frame.type in ("turn.started", "message.added")]
        assert [one.get("trigger_id") for one in seen] == ["x1", None]
        assert seen[-1]["message"]["parts"][0]["text"] == "lamps: Two of three."
        (step,) = (await self.http.get(f"{url}/trace")).json()["steps"]
        assert (step["purpose"], step["block"]["at"]) == ("generate", "check[0].generate")
        assert step["message"]["parts"][0]["text"] == "Two of three."
        assert (await self.http.post(f"{url}/triggers/charge")).status_code == 202
        for trigger_id, amount in (("p1", 1), ("p2", 3), ("p2", 3)):
            body = {"inputs": {"amount": amount}, "trigger_id": trigger_id}
            sent = await self.http.post(f"{url}/triggers/paid", json=body)
            assert (sent.status_code, sent.json()["trigger_id"]) == (202, trigger_id)
            assert "position" not in sent.json()
        async with self.view("triggered") as viewer:
            await viewer.until("turn.finished", 3)
            started = [frame.data for frame in viewer.frames if frame.type == "turn.started"]
        assert [(one["handler"], one["trigger_id"]) for one in started[::2]] == [("check", "x1"), ("charge", "p2")]
        refusals: tuple[tuple[str, dict[str, Any], int, str], ...] = (
            ("paid", {"inputs": {"amount": 4}, "trigger_id": "p1"}, 409, "id_conflict"),
            ("paid", {"inputs": {"amount": "4"}}, 422, "validation"),
            ("check", {"inputs": {"topic": "tables"}, "trigger_id": "x1"}, 409, "id_conflict"),
            ("check", {"inputs": {"topic": 3}}, 422, "validation"),
            ("chek", {}, 422, "validation"),
            ("message", {}, 422, "validation"),
        )
        for name, body, status, code in refusals:
            refused = await self.http.post(f"{url}/triggers/{name}", json=body)
            assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
        assert (await self.http.post("/v1/sessions/nobody/triggers/check", json={})).status_code == 404

    async def a_sub_agent(self) -> None:
        ask = Reply(text="", tools=(("clerk", {"message": "Pick."}),))
        self.provider.script(ask, Reply(text="", tools=(("pick", {}),)), LONG, Reply(text="Done."))
        await self.sessions.create("boss", session_id="above", message="Ask it")
        async with self.view("above") as viewer:
            await viewer.until("tool.started")
            while not (below := (await self.http.get("/v1/sessions/above")).json().get("sub_questions")):
                pass
            waiting = await self.http.post("/v1/sessions/above/messages?wait=5", json={"text": "Well?"})
            assert waiting.json()["sub_questions"]
            answer = {"question_id": below[0]["question_id"], "result": 1}
            await self.http.post(f"/v1/sessions/{below[0]['session_id']}/answers", json=answer)
            await viewer.until("tool.finished")
        await self.http.get(f"/v1/sessions/{below[0]['session_id']}")
        await self.http.get("/v1/sessions/above/trace")

    async def a_chat_of_the_ai_sdk(self) -> None:
        self.provider.script(Reply(text="", tools=(("draw", {"steps": 1}),)), Reply())
        url, said = "/v1/ai-sdk/clerk", {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Draw"}]}
        await self.http.get(f"{url}/painted/stream")
        await self.http.post(url, json={"id": "painted", "message": said})
        asked = (await self.http.get(f"{url}/painted/messages")).json()
        call = asked[1]["parts"][1]
        call |= {"state": "approval-responded", "approval": {**call["approval"], "approved": True}}
        await self.http.post(url, json={"id": "painted", "messages": asked, "messageId": "t1"})
        await self.http.get(f"{url}/painted/stream")
        assert (await self.http.get(f"{url}/painted/messages")).json()[1]["metadata"]["reason"] == "done"
        await self.http.post(f"{url}/painted/stop", json={"activeStreamId": "t1"})

    async def a_thread_of_ag_ui(self) -> None:
        self.provider.script(Reply(text="Hello."))
        message = {"id": "m1", "role": "user", "content": "Hi"}
        body = {"threadId": "a-thread", "runId": "r1", "messages": [message]}
        assert (await self.http.post("/v1/ag-ui/clerk", json=body)).status_code == 200
        assert (await self.http.get("/v1/ag-ui/clerk/a-thread/events")).status_code == 200

    async def a_session_that_closes(self) -> None:
        self.provider.script(LONG)
        await self.sessions.create("clerk", session_id="closes", message="A long one")
        async with self.view("closes") as viewer:
            await viewer.until("step.delta")
            await self.sessions.send("closes", "Queued")
            await viewer.until("message.queued")
            for _ in range(2):
                await self.http.delete("/v1/sessions/closes")
            frames = await viewer.until("session.closed")
        await self.http.get("/v1/sessions/closes/events", headers={"Last-Event-ID": str(frames[-1].seq)})
        async with self.view("closes", after=1_000_000) as viewer:
            await viewer.until("session.snapshot")
        made = await self.http.post("/v1/sessions/closes/tokens", json={"scopes": ["session:read"], "ttl": 60})
        await self.http.delete(f"/v1/sessions/closes/tokens/{made.json()['jti']}")
        await self.http.delete("/v1/sessions/closes?erase=true")

    async def an_agent_that_is_run_once(self) -> None:
        self.provider.script(Reply(text="Done."), Reply(status=401))
        body = {"agent": "clerk", "message": "Go", "idempotency_key": "k1"}
        runs = [(await self.http.post("/v1/runs", json=body)).json()["run_id"] for _ in range(2)]
        assert runs[0] == runs[1]
        done = await self.http.get(f"/v1/runs/{runs[0]}?wait={PATIENCE_S}")
        assert done.json()["result"] == "Done."
        await self.http.post("/v1/runs", json=body | {"message": "Stop"})
        failed = (await self.http.post("/v1/runs", json={"agent": "clerk"})).json()["run_id"]
        assert (await self.http.get(f"/v1/runs/{failed}?wait={PATIENCE_S}")).json()["status"] == "failed"

    async def openai_s_clients(self) -> None:
        self.provider.script(Reply(text="", tools=(("pick", {}),)), Reply(text="Here."))
        made = (await self.http.post("/v1/responses", json={"model": "clerk", "input": "Hi"})).json()
        url = f"/v1/responses/{made['id']}"
        for path in (url, f"{url}?stream=true", f"{url}/input_items", "/v1/models", "/v1/models/clerk", f"{url}x"):
            await self.http.get(path)
        await self.http.post(f"{url}/cancel")
        messages = [{"role": "user", "content": "Hi"}]
        for more in ({}, {"stream": True}, {"n": 2}):
            await self.http.post("/v1/chat/completions", json={"model": "clerk", "messages": messages, **more})

    async def what_stands_around_sessions(self) -> None:
        await self.http.post("/v1/files?name=a.txt", content=b"text")
        await self.http.get("/v1/sessions")
        paths = ("/v1/agents", "/v1/agents/clerk/versions", "/healthz", "/healthz/stream", "/healthz/traffic")
        for path in (*paths, "/readyz", "/metrics"):
            await self.http.get(path)

    async def refusals(self) -> None:
        await self.http.get("/v1/sessions/nobody")
        await self.http.post("/v1/files", content=b"")
        await self.http.post("/v1/sessions", json={"agent": "nobody"})
        await self.http.post("/v1/sessions", json={"agent": "boss", "session_id": "told"})
