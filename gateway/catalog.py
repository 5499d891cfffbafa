"""Routes of agents: the definitions that serve now."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from gateway.context import By, Gateway, Here
from gateway.problems import Problem
from temporal.definitions import Known

router = APIRouter(prefix="/v1/agents", tags=["agents"])


@router.get("")
async def get_agents(gateway: Here, by: By) -> dict[str, Any]:
    """All agents, and where Temporal's Web UI is."""
    known = [gateway.definitions.current(name) for name in gateway.definitions.names()]
    agents = [_agent_json(gateway, agent) for agent in known if agent is not None]
    return {"agents": agents, "temporal_ui": gateway.temporal_ui}


@router.get("/{name}")
async def get_agent(name: Annotated[str, Path(max_length=64)], gateway: Here, by: By) -> dict[str, Any]:
    agent = gateway.definitions.current(name)
    if agent is None:
        raise Problem("agent_not_found")
    return _agent_json(gateway, agent)


def _agent_json(gateway: Gateway, agent: Known) -> dict[str, Any]:
    definition = agent.definition
    return {
        "name": definition.name,
        "description": definition.description,
        "model": definition.model,
        "models": {role: model.use for role, model in definition.models.items()},
        "inputs": definition.inputs,
        "tools": [
            {
                "name": tool.name,
                "description": getattr(tool, "description", None) or gateway.describe_tool(tool.name) or "",
            }
            for tool in definition.tools
        ],
        "limits": definition.limits.model_dump(mode="json"),
        "demo": agent.demo,
        "digest": agent.digest,
    }
