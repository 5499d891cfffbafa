"""One session of `perdure replay --what-if`: its past is read, the definition chosen, its turn run again."""

from dataclasses import replace

from temporalio.exceptions import ApplicationError

from perdure.activities.mcp.calls import McpServers
from perdure.activities.models.providers import Providers
from perdure.activities.sessions.agents import Agents
from perdure.activities.tools.arguments import Arguments
from perdure.activities.tools.catalogue import Catalogue
from perdure.activities.tools.tool import ToolLoadError
from perdure.temporal.app.console.direct import Direct
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.app.what_if.models import Models
from perdure.temporal.app.what_if.report import WhatIf, answer_of
from perdure.temporal.app.what_if.turn import Recording, rerun
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.definitions.store import SHIPPED, DefinitionProblem, Definitions
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.fork import inputs_for
from perdure.temporal.settings import environment
from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.core.dates import turn_start
from perdure.workflows.core.fork import last_finished, past
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.agent import LoadedAgent, ModelDefinition
from perdure.workflows.protocol.activities import LoadAgentInput
from perdure.workflows.vocabulary.parts import Message, Text, ToolCall, ToolResult, ToolSpec


class Definer:
    """What a turn shall be run with: an agent of `sources` (None: the definition that was recorded), and a model, which is
    one of its roles or `provider/model`. Raises `Refused` where tools cannot be loaded."""

    def __init__(self, sources: Sources | None, blobs: BlobStore, agent: str | None, model: str | None) -> None:
        self._agent = agent
        self._model = model
        self._blobs = blobs
        self._definitions: Definitions | None = None
        if sources is not None:
            try:
                self._catalogue: Catalogue = load_catalogue(sources.tools)
            except ToolLoadError as error:
                raise Refused(str(error)) from error
            self._definitions = Definitions(
                [SHIPPED, *sources.agents],
                sources.models,
                blobs=blobs,
                tool_names=frozenset(self._catalogue.names),
                tools_digest=self._catalogue.digest,
            )

    def own_tool(self, spec: ToolSpec) -> Arguments | None:
        """What a Python tool takes, where it is among those that were given."""
        return self._catalogue.arguments(spec) if self._definitions is not None else None

    @property
    def problems(self) -> tuple[DefinitionProblem, ...]:
        """Definitions that were refused."""
        return self._definitions.problems if self._definitions is not None else ()

    async def prepare(self, after: SessionState, turn_id: str) -> tuple[SessionState, LoadedAgent]:
        """The session as it rests before the turn, under the agent that shall run it. Raises SessionError."""
        step = next((step for step in after.log.steps if step.turn_id == turn_id and not step.asks), None)
        before = past(after, turn_id, keep_turn=False)
        role = step.role if step is not None else after.slot.role
        if self._definitions is None:
            loaded = after.slot.kept.get(step.digest) if step is not None else after.slot.loaded
            if loaded is None:
                raise InvalidRequest(None, "The session no longer keeps the definition that the turn ran with.")
            loaded = await self._published(loaded, after.new.tenant)
        else:
            name = self._agent or after.agent
            loaded = await self._load(self._definitions, name, after.new.tenant)
            if name != after.agent:
                inputs = inputs_for(loaded.definition, after.new.inputs)
                before = replace(before, new=after.new.model_copy(update={"agent": name, "inputs": inputs}))
                role = None
        role, loaded = self._with_model(loaded, role)
        definition = loaded.definition
        model = definition.models[role if role in definition.models else definition.model]
        why = Allowed.load().objection(model, definition.secrets)
        if why is not None:
            raise InvalidRequest(None, f"{model.use} is not asked: {why}.")
        return replace(before, slot=replace(before.slot, role=role)), loaded

    async def _published(self, loaded: LoadedAgent, tenant: str) -> LoadedAgent:
        """With the definition as it was published. What a session says of itself gives no address and names no key."""
        found = await Definitions((), blobs=self._blobs).by_digest(loaded.digest, tenant)
        if found is not None:
            return loaded.model_copy(update={"definition": found})
        if any(hop.model.base_url or hop.model.api_key for hop in loaded.definition.every_model):
            message = (
                "The definition that the turn ran with names addresses, and is not in this blob store; give --agents."
            )
            raise InvalidRequest(None, message)
        return loaded

    async def _load(self, definitions: Definitions, name: str, tenant: str) -> LoadedAgent:
        known = definitions.current(name, tenant)
        if known is None:
            raise InvalidRequest(
                "agent", f"{name} is not known; there are: {', '.join(definitions.names(tenant)) or 'none'}"
            )
        servers = McpServers(environment(), self._blobs, lambda digest: definitions.by_digest(digest, tenant))
        try:
            agents = Agents(definitions, self._catalogue, servers.listings, tenant=lambda: tenant)
            return await agents.load_agent(LoadAgentInput(name=name, digest=known.digest))
        except ApplicationError as error:
            raise InvalidRequest(None, error.message) from error
        finally:
            await servers.aclose()

    def _with_model(self, loaded: LoadedAgent, role: str | None) -> tuple[str | None, LoadedAgent]:
        models = loaded.definition.models
        if self._model is None:
            return role, loaded
        if "/" not in self._model:
            if self._model not in models:
                raise InvalidRequest(
                    "model", f"is not a model of {loaded.definition.name}; its models are: {', '.join(models)}"
                )
            return self._model, loaded
        role = role if role in models else loaded.definition.model
        model = _in_place_of(models[role], self._model)
        price = price_of(model)
        prices = {name: one for name, one in loaded.prices.items() if name != role}
        changes = {
            "definition": loaded.definition.model_copy(update={"models": {**models, role: model}}),
            "prices": prices if price is None else {**prices, role: price},
        }
        return role, loaded.model_copy(update=changes)


def _in_place_of(model: ModelDefinition, use: str) -> ModelDefinition:
    """`use`, asked as `model` was; its address and its price are its own, unless the provider is the same."""
    other = ModelDefinition(use=use)
    same = other.provider == model.provider
    address = {"base_url": model.base_url if same else None, "api_key": model.api_key if same else None}
    return model.model_copy(update={"use": use, "price": None, **address})


class Again:
    """Runs turns of sessions again. They are named by their workflow ids, whoever's they are."""

    def __init__(self, to: Direct, definer: Definer, providers: Providers) -> None:
        self._to = to
        self._definer = definer
        self._models = Models(providers, to.blobs, definer.own_tool)

    async def run(self, session: str, turn: str | None, *, quietly: bool) -> WhatIf | None:
        """`turn` None is the last that has ended; `quietly`, a session without one is None. Raises SessionError."""
        try:
            after = await self._to.sessions.at(session).past(turn)
        except InvalidRequest:
            if quietly and turn is None:
                return None
            raise
        turn_id = last_finished(after)
        recorded = await self._whole(after, turn_id)
        asked = next((message for message in recorded if message.role == "user"), None)
        if asked is None:
            raise InvalidRequest(None, f"No message began {turn_id}.")
        before, agent = await self._definer.prepare(after, turn_id)
        recording = Recording(_calls(recorded))
        message = asked.model_copy(update={"turn_id": None})
        # On the same day, so that a model that is told the date is told the same one.
        at = turn_start(after, turn_id) or asked.at
        then = await rerun(before, message, agent, recording, self._models.of(session), at)
        matches = recording.matches
        return WhatIf(
            session=session,
            turn_id=turn_id,
            asked=" ".join(part.text for part in asked.parts if isinstance(part, Text)),
            recorded=answer_of(after, turn_id, recorded),
            what_if=answer_of(then, turn_id, await self._whole(then, turn_id)),
            other_args=tuple(call for call, match in matches.items() if match == "other_args"),
            not_recorded=tuple(call for call, match in matches.items() if match == "not_recorded"),
        )

    async def _whole(self, state: SessionState, turn_id: str) -> list[Message]:
        """The turn's messages, folded parts fetched."""
        messages = [message for message in state.transcript.messages if message.turn_id == turn_id]
        blobs = self._to.blobs
        return [one.model_copy(update={"parts": await unfold(blobs, one.parts)}) for one in messages]


def _calls(messages: list[Message]) -> list[tuple[ToolCall, ToolResult]]:
    parts = [part for message in messages for part in message.parts]
    results = {part.call_id: part for part in parts if isinstance(part, ToolResult)}
    calls = [part for part in parts if isinstance(part, ToolCall)]
    return [(call, results[call.call_id]) for call in calls if call.call_id in results]
