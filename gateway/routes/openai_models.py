"""Agents as models, for OpenAI's clients."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from perdure.gateway.openapi.openai_answers import REFUSALS, ModelList, ModelShown
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.openai_checks import serving_agent

router = APIRouter(prefix="/v1/models", tags=["responses"], route_class=Door, responses=REFUSALS)


@router.get("", response_model=ModelList)
async def get_models(app: App, caller: Caller) -> dict[str, Any]:
    """The agents that serve, as OpenAI's clients list models."""
    caller.need("agents:read")
    names = app.definitions.names(caller.tenant)
    serving = [name for name in names if app.definitions.current(name, caller.tenant) is not None]
    return {"object": "list", "data": [_model(name) for name in serving]}


@router.get("/{model}", response_model=ModelShown)
async def get_model(
    model: Annotated[str, Path(max_length=64, description="The agent, by its name")], app: App, caller: Caller
) -> dict[str, Any]:
    """One agent, as OpenAI's clients read a model."""
    caller.need("agents:read")
    return _model(serving_agent(app, caller, model).definition.name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "perdure"}
