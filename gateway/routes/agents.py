"""Routes of agents: the definitions that serve now."""

import asyncio
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path

from perdure.gateway.http.problems import Problem
from perdure.gateway.openapi.answers import AgentEntry, AgentList
from perdure.gateway.routes.context import App, Caller, Gateway
from perdure.gateway.routes.door import Door
from perdure.temporal.definitions.store import DefinitionProblem, Known
from perdure.temporal.server.deliveries import delivers
from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.workflows.definition.tools import ClientTool, name_of

#: Of each schedule that are shown.
NEXT_TIMES: Final = 3

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=Door)


@router.get("", response_model=None, responses={200: {"model": AgentList}})
async def get_agents(app: App, caller: Caller) -> dict[str, Any]:
    """All agents that serve for the caller's tenant, what is wrong in the files of others, where Temporal's Web UI is, and
    what is shown live."""
    caller.need("agents:read")
    known = [app.definitions.current(name, caller.tenant) for name in app.definitions.names(caller.tenant)]
    serving = [agent for agent in known if agent is not None]
    agents = [_agent_json(app, agent, caller.tenant) for agent in serving]
    by_file = {agent.file: agent.definition.name for agent in serving}
    problems = [
        _problem_json(problem, by_file.get(problem.file)) for problem in app.definitions.problems_of(caller.tenant)
    ]
    return {"agents": agents, "problems": problems, "temporal_ui": app.temporal_ui, "live": app.live_state()}


@router.get("/{name}", response_model=None, responses={200: {"model": AgentEntry}})
async def get_agent(name: Annotated[str, Path(max_length=64)], app: App, caller: Caller) -> dict[str, Any]:
    """One agent; of its schedules also the next times, none where a schedule is paused or not in place yet."""
    caller.need("agents:read")
    agent = app.definitions.current(name, caller.tenant)
    if agent is None:
        there = ", ".join(app.definitions.names(caller.tenant)) or "none"
        raise Problem("agent_not_found", f"There is no agent {name!r}. There are: {there}.")
    times = await asyncio.gather(*(app.sessions.next_times(one.schedule_id) for one in delivers(agent, caller.tenant)))
    schedules = [
        {**schedule, "next": list(map(rfc3339, due[:NEXT_TIMES]))}
        for schedule, due in zip(_schedules_json(agent, caller.tenant), times, strict=True)
    ]
    return {**_agent_json(app, agent, caller.tenant), "schedules": schedules}


def _agent_json(app: Gateway, agent: Known, tenant: str) -> dict[str, Any]:
    definition = agent.definition
    return {
        "name": definition.name,
        "description": definition.description,
        "model": definition.model,
        "models": {role: model.use for role, model in definition.models.items()},
        "starters": definition.starters,
        "inputs": definition.inputs,
        "tools": [
            {
                "name": name_of(tool),
                "description": getattr(tool, "description", None) or app.describe_tool(name_of(tool)) or "",
                **({"output": tool.output} if isinstance(tool, ClientTool) and tool.output else {}),
            }
            for tool in (*definition.tools, *definition.document_tools)
        ],
        "limits": definition.limits.model_dump(mode="json"),
        "busy": definition.busy,
        "schedules": _schedules_json(agent, tenant),
        **({} if definition.answer is None else {"answer": definition.answer.form}),
        "demo": agent.demo,
        "digest": agent.digest,
    }


def _problem_json(problem: DefinitionProblem, serving: str | None) -> dict[str, Any]:
    """`serving` is the agent that answers as the file had it before."""
    here, file = FilePath.cwd(), problem.file
    # A caller need not know paths of this machine.
    shown = file.relative_to(here) if file.is_relative_to(here) else FilePath(*file.parts[-2:])
    return {
        "file": str(shown),
        "line": problem.line,
        "column": problem.column,
        "field": problem.field,
        "message": problem.message,
        "serving": serving,
    }


def _schedules_json(agent: Known, tenant: str) -> list[dict[str, Any]]:
    """Those that come into the tenant's own sessions."""
    return [one.schedule.model_dump(mode="json", exclude={"inputs"}) for one in delivers(agent, tenant)]
