"""Tools on other workers, of agents that belong to one tenant: each tenant's calls go to the worker of its own agent."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import HTTPConnection
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from perdure.gateway.app import create_app
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import EVERYTHING
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on
from tests.support.tool_lab import error

pytestmark = pytest.mark.server

STAGED = "models: {main: {use: demo/stage}}\nmodel: main\ninstructions: Be brief.\n"
#: Shared by all; the agent that it hands over to is each tenant's own.
DESK = f"name: desk\n{STAGED}tools: [agent: {{name: stock, handoff: true}}]\n"
SHARED_STOCK = f"name: stock\ndescription: Knows the stock\n{STAGED}"
OWN_STOCK = f"""{SHARED_STOCK}
tools:
  - find_stock: {{task_queue: stock-of-TENANT, context: true, description: Stock, input: {{type: object}}}}
"""


class Warehouse:
    """A tenant's own worker, which has only Temporal's SDK."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        #: Of each call: the tenant that it was made for, and the agent.
        self.asked: list[tuple[str, str]] = []

    @activity.defn
    async def find_stock(self, args: dict[str, Any], context: dict[str, Any]) -> str:
        self.asked.append((context["tenant"], context["agent"]))
        return f"of {self.tenant}"


async def test_a_tool_of_a_tenant_s_agent_is_called_on_that_tenant_s_worker_alone(
    temporal_server: DevServer, tmp_path: Path
) -> None:
    agents = tmp_path / "agents"
    houses = {tenant: Warehouse(tenant) for tenant in ("acme", "bolt")}
    client = await Client.connect(temporal_server.address)
    async with lab_on(temporal_server, tmp_path) as lab, AsyncExitStack() as stack:
        (agents / "desk.yaml").write_text(DESK)
        (agents / "stock.yaml").write_text(SHARED_STOCK)
        for tenant, house in houses.items():
            (agents / f"@{tenant}").mkdir()
            (agents / f"@{tenant}" / "stock.yaml").write_text(OWN_STOCK.replace("TENANT", tenant))
            await stack.enter_async_context(
                Worker(client, task_queue=f"stock-of-{tenant}", activities=[house.find_stock])
            )
        assert await lab.parts.definitions.refresh()
        assert lab.parts.definitions.problems == ()

        told = {
            (tenant, agent): await asked(lab, tenant, agent)
            for tenant in ("acme", "bolt", "corp")
            for agent in ("stock", "desk")
        }

    # A tenant without a folder has the shared agent, which has no such tool.
    assert told == {
        ("acme", "stock"): "of acme",
        ("acme", "desk"): "of acme",
        ("bolt", "stock"): "of bolt",
        ("bolt", "desk"): "of bolt",
        ("corp", "stock"): "unknown_tool",
        ("corp", "desk"): "unknown_tool",
    }
    assert {tenant: house.asked for tenant, house in houses.items()} == {
        tenant: [(tenant, "stock")] * 2 for tenant in houses
    }


async def asked(lab: Lab, tenant: str, agent: str) -> Any:
    """What a session of this tenant is told that asks for the stock: `stock` at once, another agent by handing over."""
    principal = Principal(tenant, None, EVERYTHING, actor="key:1")

    async def authenticate(_request: HTTPConnection) -> Principal:
        return principal

    app = create_app(
        client=lab.client,
        live=lab.live,
        blobs=lab.parts.blobs,
        definitions=lab.parts.definitions,
        settings=lab.parts.settings,
        authenticate=authenticate,
    )
    over = [] if agent == "stock" else [Play(calls=[("stock", {"message": "your turn"})])]
    lab.stage.plays = [*over, Play(calls=[("find_stock", {})]), Play("done")]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        answer = await http.post("/v1/sessions", json={"agent": agent, "message": "How many?"})
        assert answer.status_code == 201, answer.text
        talk = Talk(lab, lab.client.get_workflow_handle(f"{tenant}/{answer.json()['session_id']}"))
        events = await talk.until(ends)
    result = [event for event in events if event.type == "tool.finished"][-1].result
    return error(result).type if result.is_error else result.output
