"""Agents that are run once for a result, over HTTP against `perdure dev` as users run it."""

import asyncio
import uuid
from typing import Any

import httpx2
import pytest

from perdure.temporal.sessions.worker_runs import told
from tests.support.dev import Dev

pytestmark = pytest.mark.server

SORTER = """\
name: sorter
models: {main: {use: demo/demo}}
model: main
instructions: Sort what a customer writes. The plan is {{ plan }}.
inputs:
  subject: {type: string}
  plan: {type: string, default: free}
tools: [ask_user]
answer:
  schema:
    type: object
    properties:
      topic: {type: string, enum: [order, refund, other]}
      urgency: {type: integer, minimum: 1, maximum: 5}
    required: [topic, urgency]
"""
TELLER = """\
name: teller
models: {main: {use: demo/demo}}
model: main
instructions: Answer.
"""

JUDGE = """\
name: judge
models: {main: {use: demo/demo}}
model: main
instructions: Judge.
inputs: {order: {type: string}, days: {type: integer}}
answer:
  schema:
    type: object
    properties: {order: {type: string, maxLength: 10}, late: {type: boolean}}
    required: [order, late]
handlers:
  message: [finish: {result: {order: "{{ order }}", late: "{{ days > 3 }}"}}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"sorter.yaml": SORTER, "teller.yaml": TELLER, "judge.yaml": JUDGE}


async def run(http: httpx2.AsyncClient, status: int = 202, **body: Any) -> str:
    answer = await http.post("/v1/runs", json={"agent": "sorter", **body})
    assert answer.status_code == status, answer.text
    started = answer.json()
    assert started["session_id"] == started["run_id"]
    return str(started["run_id"])


async def state(http: httpx2.AsyncClient, run_id: str, wait: int = 60) -> dict[str, Any]:
    answer = await http.get(f"/v1/runs/{run_id}?wait={wait}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_result_is_the_checked_value(http: httpx2.AsyncClient) -> None:
    run_id = await run(http, inputs={"subject": "I want a refund"})
    found = await state(http, run_id)
    assert found.pop("usage")["output_tokens"] > 0
    assert found == {
        "run_id": run_id,
        "session_id": run_id,
        "status": "done",
        "result": {"topic": "refund", "urgency": 1},
        "cost_usd": 0,
    }
    # It is a session, which has closed itself.
    session = (await http.get(f"/v1/sessions/{run_id}")).json()
    assert (session["status"], session["result"]) == ("closed", {"topic": "refund", "urgency": 1})
    assert session["messages"][0]["parts"][0]["text"] == "subject: I want a refund"
    assert (await http.post(f"/v1/sessions/{run_id}/messages", json={"text": "And?"})).status_code == 409


async def test_without_a_form_the_result_is_the_text(http: httpx2.AsyncClient) -> None:
    found = await state(http, await run(http, agent="teller", message="Hello"))
    assert found["result"].startswith("Hello!")


async def test_a_handler_gives_the_result(http: httpx2.AsyncClient) -> None:
    found = await state(http, await run(http, agent="judge", inputs={"order": "A-1", "days": 5}))
    assert (found["status"], found["result"]) == ("done", {"order": "A-1", "late": True})
    assert found["usage"]["output_tokens"] == 0
    found = await state(http, await run(http, agent="judge", inputs={"order": "A-1" * 9, "days": 5}))
    assert (found["status"], found["error"]["type"]) == ("failed", "answer_invalid")
    assert found["error"]["message"].startswith("message[0].finish: the result does not fit answer.schema: order: ")


async def test_the_same_key_is_the_same_run(http: httpx2.AsyncClient) -> None:
    key = uuid.uuid4().hex
    body: dict[str, Any] = {"inputs": {"subject": "Where is it?"}, "idempotency_key": key}
    first = await run(http, **body)
    assert await run(http, 200, **body) == first
    await state(http, first)
    assert await run(http, 200, **body) == first
    other = await http.post("/v1/runs", json={"agent": "sorter", **body, "inputs": {"subject": "Other"}})
    assert (other.status_code, other.json()["code"]) == (409, "id_conflict")
    assert key in other.json()["detail"]
    assert await run(http, **(body | {"idempotency_key": uuid.uuid4().hex})) != first


async def test_many_at_the_same_moment_are_one(http: httpx2.AsyncClient) -> None:
    body: dict[str, Any] = {"agent": "sorter", "inputs": {"subject": "Refund"}, "idempotency_key": uuid.uuid4().hex}
    answers = await asyncio.gather(*(http.post("/v1/runs", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["run_id"] for answer in answers}) == 1


async def test_a_run_that_waits_for_a_person(http: httpx2.AsyncClient) -> None:
    run_id = await run(http, inputs={"subject": "x"}, message="Ask me what my order is")
    while (found := await state(http, run_id, 1))["status"] == "working":
        pass
    assert found["status"] == "waiting"
    (question,) = found["questions"]
    told_to = {"question_id": question["question_id"], "result": {"answer": "A refund"}}
    assert (await http.post(f"/v1/sessions/{run_id}/answers", json=told_to)).is_success
    assert (await state(http, run_id))["status"] == "done"


async def test_a_run_that_fails(http: httpx2.AsyncClient) -> None:
    found = await state(http, await run(http, inputs={"subject": "/fail auth"}))
    assert (found["status"], found["error"]["type"]) == ("failed", "model_auth")
    assert "result" not in found


async def test_a_run_that_is_stopped(http: httpx2.AsyncClient) -> None:
    run_id = await run(http, agent="teller", message="Tell me a long story")
    assert (await http.post(f"/v1/sessions/{run_id}/stop")).is_success
    found = await state(http, run_id)
    assert (found["status"], found["error"]["type"]) == ("failed", "stopped")


async def test_what_is_refused(http: httpx2.AsyncClient) -> None:
    async def fields(**body: Any) -> tuple[int, list[str]]:
        answer = await http.post("/v1/runs", json=body)
        return answer.status_code, [error["field"] for error in answer.json().get("errors", [])]

    assert await fields(agent="nobody") == (422, ["agent"])
    assert await fields(agent="sorter") == (422, ["inputs.subject"])
    assert await fields(agent="sorter", inputs={"subject": 1}) == (422, ["inputs.subject"])
    assert await fields(agent="sorter", inputs={"subject": "a"}, session_id="s") == (422, ["session_id"])
    assert (await http.get("/v1/runs/run-nowhere")).status_code == 404


async def test_a_session_is_no_run(http: httpx2.AsyncClient) -> None:
    session = (await http.post("/v1/sessions", json={"agent": "teller", "session_id": "run-like"})).json()["session_id"]
    assert (await http.get(f"/v1/runs/{session}")).status_code == 404


async def test_a_run_over_a_kill_is_the_same_run(dev: Dev, http: httpx2.AsyncClient) -> None:
    body: dict[str, Any] = {"inputs": {"subject": "refund"}, "idempotency_key": "before the kill"}
    run_id = await run(http, **body)
    await dev.kill(group=True)
    await dev.start()
    assert await run(http, 200, **body) == run_id
    assert (await state(http, run_id))["result"] == {"topic": "refund", "urgency": 1}


def test_what_an_agent_is_told_of_its_inputs() -> None:
    assert told({"subject": "Hi\nthere", "lines": [1, "ä"], "n": 2}) == 'subject: Hi\nthere\nlines: [1, "ä"]\nn: 2'
    assert told({}) == "Begin."
