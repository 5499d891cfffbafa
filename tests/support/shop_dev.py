"""`perdure dev` with the tools of `tool_shop`, and a model that makes the calls in its message."""

import json
from pathlib import Path
from typing import Any

import httpx2

from perdure.temporal.app.bench.measures.interrupted import TOOL_LINES, as_told
from perdure.temporal.app.bench.rig.effects import TOOLS
from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.dev import Dev
from tests.support.session_client import Sessions, Viewer

SHOP = Path(__file__).parent / "tool_shop.py"
TILL = Path(__file__).parent / "till.py"
AGENT = """
name: shop
models: {main: {use: anthropic/claude-sonnet-5-5, max_output_tokens: 1024}}
model: main
instructions: Do as you are told.
tools:
  - charge: {side_effects: once}
  - ship: {side_effects: once, on_unknown: ask}
  - launch: {side_effects: once, parallel: 1}
  - record
  - tell
  - halve: {approval: {remember: never}}
  - measure: {approval: {when: "{{ args.text != 'free' }}"}}
  - measure_thread: {approval: {when: "{{ session.cost_usd > 0.0001 }}"}}
  - client: {name: pick, description: Picks, input: {type: object, properties: {prompt: {type: string}}}, output: {type: object, properties: {days: {type: array, items: {type: integer}}}, required: [days]}}
"""  # noqa: E501


def shop(folder: Path, environment: dict[str, str], provider: FakeProvider) -> Dev:
    """Not started yet. A message to its agent `shop` is JSON: the calls, as name and arguments."""
    agents = folder / "agents"
    agents.mkdir()
    (agents / "shop.yaml").write_text(AGENT + TOOL_LINES)
    provider.default(as_told)
    tools = [word for file in (SHOP, TILL, TOOLS) for word in ("--tools", str(file))]
    return Dev(folder, environment, ["--agents", str(agents), *tools])


async def call(sessions: Sessions, *calls: tuple[str, dict[str, Any]]) -> str:
    """A session whose first turn makes these calls."""
    return await sessions.create("shop", message=json.dumps(calls))


async def answer(http: httpx2.AsyncClient, session: str, question_id: str, **body: Any) -> httpx2.Response:
    return await http.post(f"/v1/sessions/{session}/answers", json={"question_id": question_id, **body})


async def ended(sessions: Sessions, session: str) -> Viewer:
    """What a new viewer sees, up to the end of the first turn."""
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
        return viewer


def results(viewer: Viewer) -> dict[str, Any]:
    """Output by call id; fails if a call has more than one result."""
    found = [frame.data for frame in viewer.frames if frame.type == "tool.finished"]
    assert len({one["call_id"] for one in found}) == len(found)
    return {one["call_id"]: one["result"]["output"] for one in found}
