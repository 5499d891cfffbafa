"""An agent definition as the YAML file gives it. A field that this version does not carry out is refused.

`AgentDefinition` is what people write; `LoadedAgent` is what a session runs: the same, with everything that had to be
looked up (tool schemas, prices) beside it, so that workflow code never looks anything up itself.
"""

import operator
import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, model_validator

from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.definition.schedules import Schedules
from perdure.workflows.definition.tools import (
    AgentTool,
    ClientTool,
    McpServer,
    McpTool,
    Name,
    SessionTool,
    ToolEntry,
    ToolUse,
)
from perdure.workflows.vocabulary.parts import Frozen, ToolSpec, absent

#: Of an environment variable.
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
_REFERENCE: Final = re.compile(r"\$\{\w+\}")


class Rates(Frozen):
    """Dollars a million tokens. `cached_input` defaults to `input`."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)


class LongInput(Rates):
    """What a whole request costs whose input is longer than `above` tokens."""

    above: int = Field(ge=1)


class Price(Rates):
    long_input: tuple[LongInput, ...] = ()


class ModelDefinition(Frozen):
    #: `provider/model`, where provider is one of `PROVIDERS`.
    use: str
    max_output_tokens: int = Field(default=4096, ge=1, le=200_000)
    thinking: Literal["off", "low", "medium", "high"] = "off"
    base_url: str | None = None
    #: `${NAME}`: the variable that holds the key for this address. Without it, only the vendor's own servers are given
    #: the vendor's key.
    api_key: str | None = Field(default=None, exclude_if=absent)
    price: Price | None = None

    @model_validator(mode="after")
    def _known_provider(self) -> Self:
        provider, _, model = self.use.partition("/")
        if provider not in PROVIDERS or not model:
            known = ", ".join(f"{name}/…" for name in PROVIDERS)
            raise ValueError(f"use: {self.use!r} names no provider of this version; write one of {known}")
        if self.api_key is not None and _REFERENCE.fullmatch(self.api_key) is None:
            # The value is not repeated: it may be the key itself.
            raise ValueError(
                "api_key: is the name of the variable that holds the key, as in ${OTHER_KEY}, and never the key itself"
            )
        if self.api_key is not None and PROVIDERS[provider].endpoint is None:
            raise ValueError(f"api_key: {provider} models take no key")
        if self.base_url is not None and "@" in self.base_url.partition("://")[2].partition("/")[0]:
            raise ValueError("base_url: holds a user or a password; a key comes by api_key")
        return self

    @property
    def provider(self) -> str:
        return self.use.partition("/")[0]

    @property
    def model_name(self) -> str:
        return self.use.partition("/")[2]


class Example(Frozen):
    user: str
    assistant: str


class TurnLimits(Frozen):
    steps: int = Field(default=25, ge=1, le=1000, strict=True)
    #: Tool calls that one step may ask for; the others get an error as their result.
    calls_per_step: int = Field(default=64, ge=1, le=1000, strict=True)
    cost_usd: float | None = Field(default=None, ge=0, strict=True)


class SessionLimits(Frozen):
    cost_usd: float | None = Field(default=None, ge=0, strict=True)
    #: Tool calls that run at the same time.
    parallel_calls: int = Field(default=32, ge=1, le=1000, strict=True)


class Limits(Frozen):
    turn: TurnLimits = TurnLimits()
    session: SessionLimits = SessionLimits()

    @property
    def cap_costs(self) -> bool:
        return self.turn.cost_usd is not None or self.session.cost_usd is not None


#: Of a tool result that a model is shown where the definition says nothing else.
TOOL_OUTPUT_TOKENS = 16_000


class ContextPolicy(Frozen):
    """What a model is shown of a conversation."""

    #: About so many tokens of one tool result, its head and its tail; viewers and the trace have the whole.
    tool_output_tokens: int = Field(default=TOOL_OUTPUT_TOKENS, ge=100, le=1_000_000, strict=True)


class AgentDefinition(Frozen):
    name: Name
    description: str = ""
    #: JSON Schema properties by name; required unless they have a default.
    inputs: dict[Name, dict[str, JsonValue]] = {}
    models: dict[Name, ModelDefinition] = Field(min_length=1)
    #: The role, one of `models`, that answers.
    model: str
    instructions: str
    examples: tuple[Example, ...] = ()
    tools: tuple[ToolEntry, ...] = ()
    limits: Limits = Limits()
    context: ContextPolicy = ContextPolicy()
    busy: Literal["queue"] = "queue"
    schedules: Schedules = ()
    #: The environment's variables that `${NAME}` in this definition may name.
    secrets: tuple[Variable, ...] = Field(default=(), exclude_if=operator.not_)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model not in self.models:
            raise ValueError(f"model: {self.model!r} is not one of models: {', '.join(self.models)}")
        names = [tool.name for tool in self.tools if not isinstance(tool, McpServer)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tools: {name!r} is named twice")
        for tool in self.tools:
            if isinstance(tool, ToolUse) and tool.fallback is not None:
                self._check_fallback(tool.name, tool.fallback)
        for name in self.inputs:
            if name in ("session", "user", "turn", "args"):
                raise ValueError(f"inputs: {name!r} is a built-in name")
        return self

    def _check_fallback(self, name: str, fallback: str) -> None:
        other = next((tool for tool in self.tools if tool.name == fallback), None)
        if not isinstance(other, ToolUse):
            raise ValueError(
                f"tools: the fallback {fallback!r} of {name!r} is not one of the tools that run on workers"
            )
        if other.approval is not None or other.side_effects == "once":
            raise ValueError(
                f"tools: the fallback {fallback!r} of {name!r} runs unasked, so it can neither need an approval nor be `once`"
            )

    @property
    def worker_tools(self) -> tuple[str, ...]:
        """Names of the tools that Perdure's own workers must have; the others are described by the definition."""
        return tuple(tool.name for tool in self.tools if isinstance(tool, ToolUse) and tool.task_queue is None)

    @property
    def agent_tools(self) -> tuple[AgentTool, ...]:
        return tuple(tool for tool in self.tools if isinstance(tool, AgentTool))

    @property
    def uses_mcp(self) -> bool:
        return any(isinstance(tool, McpServer) for tool in self.tools)


class LoadedAgent(Frozen):
    """A definition made ready to run; everything in it is recorded in the session's history."""

    digest: str
    definition: AgentDefinition
    tools: tuple[ToolSpec, ...] = ()
    #: By role; a role that is missing has no known price.
    prices: dict[str, Price] = {}
    #: Of the worker's tool specs, to notice that a newer worker describes its tools otherwise.
    tools_digest: str = ""
    #: Tools that MCP servers have listed, by the name that the model knows.
    mcp: dict[str, McpTool] = {}
    #: MCP servers that could not be reached, so that their tools are missing, as people call them.
    absent: tuple[str, ...] = ()
    #: Those that will not be reached by waiting, and why, and tools of servers whose names others have; in words.
    left_out: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Digests of the agents that its tools name, by name.
    agents: dict[str, str] = {}
    #: Of what MCP servers listed, to notice that they list something else.
    mcp_digest: str = ""

    def spec(self, name: str) -> ToolSpec | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def use(self, name: str) -> ToolUse | ClientTool | AgentTool | SessionTool | None:
        for tool in self.definition.tools:
            if not isinstance(tool, McpServer) and tool.name == name:
                return tool
        listed = self.mcp_tool(name)
        return None if listed is None else listed[0].policy(name)

    def mcp_tool(self, name: str) -> tuple[McpServer, str] | None:
        """The MCP server that carries this tool out, and what that server calls it."""
        listed = self.mcp.get(name)
        server = None if listed is None else self.definition.tools[listed.server]
        return (server, listed.tool) if listed is not None and isinstance(server, McpServer) else None
