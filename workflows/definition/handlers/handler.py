"""The handlers of a definition: what an agent does when a message comes, or when somebody triggers one of them by name."""

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, JsonValue

from perdure.workflows.definition.handlers.agents import RunAgent, agent_fault
from perdure.workflows.definition.handlers.asking import Choose, Generate, Respond
from perdure.workflows.definition.handlers.blocks import BlockDefinition, Blocks, ForEach, Switch, Try
from perdure.workflows.definition.handlers.defaults import with_defaults
from perdure.workflows.definition.handlers.limits import HandlerLimits
from perdure.workflows.definition.handlers.plain import CallTool, Finish
from perdure.workflows.definition.handlers.program import Program, compiled
from perdure.workflows.definition.handlers.together import NO_HANDOFF, Parallel, branches_in
from perdure.workflows.definition.providers.dialect import Thinking
from perdure.workflows.definition.tools.agent import AgentTool
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen, absent

#: The handler of messages.
MESSAGE: Final = "message"
#: What is said of a result that nobody has asked for.
NO_ANSWER: Final = "the agent has no `answer`, whose schema says what a result is; add it, or end without a result"


class Handler(Frozen):
    """What is done, block after block. `NAME: [...]` is the same without inputs."""

    inputs: dict[Name, dict[str, JsonValue]] = Field(
        default={},
        exclude_if=operator.not_,
        description="What a trigger gives the handler: a JSON Schema for each name. An input is required unless its schema "
        "has a default. Templates use inputs by name. The handler `message` has none.",
    )
    model: Name | None = Field(
        default=None,
        exclude_if=absent,
        description="The role, one of `models`, that its blocks ask which name none.",
    )
    thinking: Thinking | None = Field(
        default=None,
        exclude_if=absent,
        description="How much models reason for its blocks which do not say so.",
    )
    limits: HandlerLimits | None = Field(
        default=None,
        exclude_if=absent,
        description="What a turn that carries it out may do and cost, below what `limits.turn` says.",
    )
    do: Blocks = Field(description="The blocks, in order.")

    def program(self, name: str) -> Program:
        """Its instructions; `name` is what the definition calls it."""
        if name not in self._programs:
            made = compiled(name, self.do)
            self._programs[name] = tuple(with_defaults(one, self.model, self.thinking) for one in made)
        return self._programs[name]

    @cached_property
    def _programs(self) -> dict[str, Program]:
        return {}


def _handler(value: Any) -> Any:
    return {"do": value} if isinstance(value, list | tuple) else value


Handlers = Annotated[dict[Name, Annotated[Handler, BeforeValidator(_handler)]], Field(max_length=100)]


def blocks_in(blocks: tuple[BlockDefinition, ...], at: str) -> Iterator[tuple[str, BlockDefinition]]:
    """Each of the blocks and of those within them, with its place."""
    for index, block in enumerate(blocks):
        place = f"{at}[{index}].{block.kind}"
        yield place, block
        if isinstance(block, Switch):
            for number, case in enumerate(block.cases):
                yield from blocks_in(case.do, f"{place}[{number}].do")
        elif isinstance(block, ForEach):
            yield from blocks_in(block.do, f"{place}.do")
        elif isinstance(block, Try):
            yield from blocks_in(block.do, f"{place}.do")
            for number, one in enumerate(block.catch):
                yield from blocks_in(one.do, f"{place}.catch[{number}].do")
        elif isinstance(block, Parallel):
            yield from branches_in(block, place)


def handler_blocks(name: str, handler: Handler) -> Iterator[tuple[str, BlockDefinition]]:
    """Each block of the handler, with its place."""
    return blocks_in(handler.do, name)


def handler_faults(
    handlers: Mapping[str, Handler],
    models: Mapping[str, object],
    tools: tuple[str, ...] | None,
    *,
    answers: bool,
    agents: tuple[AgentTool, ...],
) -> Iterator[str]:
    """What in the handlers names something that the definition does not have. `tools` None: there may be others. `answers`:
    it says the form of answers. `agents` are those among its tools."""
    for name, handler in handlers.items():
        if name == MESSAGE and handler.inputs:
            yield f"{name}: a message gives no inputs but its text, which is the variable `message`; remove inputs"
        if handler.model is not None and handler.model not in models:
            known = f"{', '.join(models)}{did_you_mean(handler.model, models)}"
            yield f"{name}: model {handler.model!r} is not one of models: {known}"
        for wrong in handler.inputs.keys() & {"session", "user", "turn", "args"}:
            yield f"{name}.inputs: {wrong!r} is a built-in name"
        for at, block in blocks_in(handler.do, name):
            if isinstance(block, CallTool | RunAgent) and block.compensate is not None:
                why = tool_fault(block.compensate.tool, tools, agents)
                yield from () if why is None else (f"{at}.compensate: {why}",)
            match block:
                case Respond(model=str(role)) | Generate(model=str(role)) | Choose(model=str(role)):
                    if role not in models:
                        yield f"{at}: model {role!r} is not one of models: {', '.join(models)}{did_you_mean(role, models)}"
                case CallTool(tool=tool) if tools is not None and tool not in tools:
                    near = did_you_mean(tool, tools) or f"; there are: {', '.join(tools) or 'none'}"
                    yield f"{at}: {tool!r} is not one of tools{near}"
                case RunAgent(agent=agent) if (why := agent_fault(agent, agents, tools or ())) is not None:
                    yield f"{at}: {why}"
                case Parallel() if any(one.handoff and one.name in block.names for one in agents):
                    yield f"{at}: {NO_HANDOFF}"
                case Finish(result=result) if result is not None and not answers:
                    yield f"{at}.result: {NO_ANSWER}"
                case Choose(options=options) if len(set(map(str.casefold, options))) < len(options):
                    yield f"{at}: two of the options are the same"
                case _:
                    pass


def cap_costs(handlers: Mapping[str, Handler]) -> bool:
    """Whether a handler or a block has a cap in dollars, so that an unknown price is an error."""
    return any(
        getattr(having.limits, "cost_usd", None) is not None
        for name, handler in handlers.items()
        for having in (handler, *(block for _, block in blocks_in(handler.do, name)))
        if hasattr(having, "limits")
    )


def tool_fault(tool: str, tools: Collection[str] | None, agents: Iterable[AgentTool]) -> str | None:
    """Why a compensation cannot call this tool; None: it can. `tools` None: there may be others."""
    if tools is not None and tool not in tools:
        near = did_you_mean(tool, tools) or f"; there are: {', '.join(tools) or 'none'}"
        return f"{tool!r} is not one of tools{near}"
    if any(agent.handoff and agent.name == tool for agent in agents):
        return f"{tool!r} takes the conversation over (`handoff: true`), and takes nothing back"
    return None
