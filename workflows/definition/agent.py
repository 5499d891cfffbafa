"""An agent definition as the YAML file gives it. A field that this version does not carry out is refused.

`AgentDefinition` is what people write; `LoadedAgent` is what a session runs: the same, with everything that had to be
looked up (tool schemas, prices) beside it, so that workflow code never looks anything up itself.
"""

import operator
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import Field, JsonValue, model_validator

from perdure.workflows.definition.answer import AnswerForm
from perdure.workflows.definition.context import TOOL_OUTPUT_TOKENS, ContextPolicy
from perdure.workflows.definition.documents import References, Skills
from perdure.workflows.definition.handlers import Events, Handlers, event_faults, handler_faults
from perdure.workflows.definition.limits import (
    Caps,
    Cheaper,
    Limits,
    PurseLimits,
    SessionLimits,
    TurnLimits,
)
from perdure.workflows.definition.model import LongInput, ModelDefinition, Price, Rates
from perdure.workflows.definition.route import Hop, every_model, route, route_faults
from perdure.workflows.definition.schedules import Schedules, schedule_faults
from perdure.workflows.definition.title import TitlePolicy
from perdure.workflows.definition.tools import (
    AgentTool,
    McpServer,
    McpTool,
    Name,
    ToolEntry,
    ToolUse,
)
from perdure.workflows.definition.tools.documents import DocumentTool, document_tools
from perdure.workflows.definition.tools.links import link_faults
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.definition.variables import Variables, variable_faults
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen, ToolSpec, absent

__all__ = [
    "TOOL_OUTPUT_TOKENS",
    "AgentDefinition",
    "Caps",
    "Cheaper",
    "ContextPolicy",
    "Example",
    "Limits",
    "LoadedAgent",
    "LongInput",
    "ModelDefinition",
    "Price",
    "PurseLimits",
    "Rates",
    "SessionLimits",
    "TurnLimits",
    "Variable",
]

#: Of an environment variable.
VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
Variable = Annotated[str, Field(pattern=VARIABLE)]
Starter = Annotated[str, Field(min_length=1, max_length=200)]


class Example(Frozen):
    """One exchange that shows the model how to answer."""

    user: str = Field(description="What the user says.")
    assistant: str = Field(description="What the agent answers.")


class AgentDefinition(Frozen):
    """One agent: what it is told, which models and tools it has, and what it may cost."""

    name: Name = Field(
        description="The agent's name, as sessions and other agents use it: a letter, then up to 63 letters, digits, _ or -."
    )
    description: str = Field(
        default="", description="What the agent is for, in a sentence; shown to people, and to agents that call it."
    )
    starters: tuple[Starter, ...] = Field(
        default=(),
        max_length=6,
        exclude_if=operator.not_,
        description="First messages that a new chat offers, each sent at a click; at most 6, of up to 200 characters. Three "
        "or four that show what the agent is good for are best.",
    )
    inputs: dict[Name, dict[str, JsonValue]] = Field(
        default={},
        description="What a session must be given at its start: a JSON Schema for each name. An input is required unless its "
        "schema has a default. Templates use inputs by name.",
    )
    variables: Variables = Field(
        default={},
        max_length=100,
        exclude_if=operator.not_,
        description="What a session remembers, by name. Handlers set variables, and templates of handlers and instructions "
        "read them; all their values together have at most 64 KiB.",
    )
    models: dict[Name, ModelDefinition] = Field(
        min_length=1,
        description="Models by role, a name of your choice such as `fast`. Those of models.yaml and --models count, too.",
    )
    model: str = Field(description="The role, one of `models`, that answers.")
    instructions: str = Field(
        description="What the model is told before the conversation: a Jinja2 template over the inputs, the session's "
        "variables, `session`, `user` and `turn`, or `{file: NAME}`."
    )
    examples: tuple[Example, ...] = Field(
        default=(),
        description="Exchanges that the model is shown before the conversation, as examples of good answers.",
    )
    tools: tuple[ToolEntry, ...] = Field(
        default=(),
        description="What the agent can call: names of tools, names with options, and `client`, `agent` and `mcp` entries.",
    )
    answer: AnswerForm | None = Field(
        default=None,
        exclude_if=absent,
        description="The form of the final answer of each turn, for callers that want checked JSON. Without it, an answer is "
        "text.",
    )
    references: References | None = Field(
        default=None,
        exclude_if=absent,
        description="Documents that the model can list, search and read: Markdown files, and folders of them, in this file's "
        "folder or below it. Without it, the folder `references` beside this file, where there is one; `[]` for none.",
    )
    skills: Skills | None = Field(
        default=None,
        exclude_if=absent,
        description="Skills in the open Agent Skills format: folders with a `SKILL.md`, and folders of such folders, in this "
        "file's folder or below it. Without it, the folder `skills` beside this file, where there is one; `[]` for none.",
    )
    limits: Limits = Field(
        default=Limits(), description="What a turn, a session, a user and a tenant may do and spend at most."
    )
    context: ContextPolicy = Field(default=ContextPolicy(), description="What the model is shown of a conversation.")
    busy: Busy = Field(
        default="queue",
        description="What happens to a message that arrives while a turn runs: it waits for its turn (`queue`), joins the "
        "running turn before its next step (`steer`), stops that turn and is next (`interrupt`), or is refused (`reject`). A "
        "message's own `busy` takes precedence. Default: queue.",
    )
    idle_timeout: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=3660))] | None = Field(
        default=None,
        exclude_if=absent,
        description="How long a session may rest before it closes itself, as in `90d`; at least a minute. A session that "
        "waits for a person, or has set itself a timer, does not rest. Without it, sessions stay open.",
    )
    schedules: Schedules = Field(
        default=(),
        description="Messages that sessions get by the clock, and handlers that they carry out; at most 100. A worker keeps "
        "them in place.",
    )
    handlers: Handlers = Field(
        default={},
        exclude_if=operator.not_,
        description="What the agent does, block after block: `message: [...]` when a message comes (without it, the agent "
        "responds), any other handler when it is triggered by its name.",
    )
    events: Events = {}
    title: TitlePolicy | None = Field(
        default=None,
        exclude_if=absent,
        description="Which model names each session once its first turn is done, for lists. Without it, a session is called "
        "by the first words of its first message.",
    )
    secrets: tuple[Variable, ...] = Field(
        default=(),
        exclude_if=operator.not_,
        description="The variables of the environment that `${NAME}` in this definition may name. Their values appear in no "
        "log, history or trace.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field, message in self.inconsistencies():
            raise ValueError(f"{field}: {message}")
        return self

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        """Which fields do not fit the others, and why; a definition that is made has none."""
        if self.model not in self.models:
            near = did_you_mean(self.model, self.models)
            yield "model", f"{self.model!r} is not one of models: {', '.join(self.models)}{near}"
        for role in self.models:
            yield from (("models", f"{role}.fallback: {why}") for _, why in route_faults(self.models, role))
        on_limit = self.limits.on_limit
        if isinstance(on_limit, Cheaper) and on_limit.cheaper not in self.models:
            near = did_you_mean(on_limit.cheaper, self.models)
            known = ", ".join(self.models)
            yield "limits", f"on_limit.cheaper: {on_limit.cheaper!r} is not one of models: {known}{near}"
        yield from (("context", f"{field}: {why}") for field, why in self.context.faults(self.models))
        if self.title is not None:
            yield from (("title", f"{field}: {why}") for field, why in self.title.faults(self.models))
        names = [tool.name for tool in self.tools if not isinstance(tool, McpServer)]
        for reads in self.document_tools:
            if reads.name in names:
                yield "tools", f"{reads.name!r} is the name of a tool that the agent has because of its documents"
        yield from (("tools", f"{name!r} is named twice") for name in dict.fromkeys(names) if names.count(name) > 1)
        yield from (("tools", fault) for fault in link_faults(self.tools))
        listed = (
            None
            if any(isinstance(tool, McpServer) for tool in self.tools)
            else (*names, *(one.name for one in self.document_tools))
        )
        agents = self.agent_tools
        found = handler_faults(self.handlers, self.models, listed, answers=self.answer is not None, agents=agents)
        yield from (("handlers", fault) for fault in found)
        yield from event_faults(self.events, self.handlers)
        for index, why in schedule_faults(self.schedules, self.handlers, self.events):
            yield "schedules", f"{index}.handler: {why}"
        if not all(starter.strip() for starter in self.starters):
            yield "starters", "none may be blank"
        for name in self.inputs:
            if name in ("session", "user", "turn", "args"):
                yield "inputs", f"{name!r} is a built-in name"
        wrong = variable_faults(self.variables, self.inputs, self.handlers)
        yield from (("variables", f"{name}: {why}") for name, why in wrong)

    def route(self, role: str) -> tuple[Hop, ...]:
        """The models that a step of `role` can go through, in order."""
        return route(self.models, role)

    @property
    def every_model(self) -> tuple[Hop, ...]:
        """Each model that a step can come to, once."""
        return tuple(every_model(self.models))

    @property
    def worker_tools(self) -> tuple[str, ...]:
        """Names of the tools that Perdure's own workers must have; the others are described by the definition."""
        return tuple(tool.name for tool in self.tools if isinstance(tool, ToolUse) and tool.task_queue is None)

    @property
    def agent_tools(self) -> tuple[AgentTool, ...]:
        return tuple(tool for tool in self.tools if isinstance(tool, AgentTool))

    @property
    def document_tools(self) -> tuple[DocumentTool, ...]:
        return document_tools(self.references, self.skills)

    @property
    def uses_mcp(self) -> bool:
        return any(isinstance(tool, McpServer) for tool in self.tools)


class LoadedAgent(Frozen):
    """A definition made ready to run; everything in it is recorded in the session's history."""

    digest: str
    definition: AgentDefinition
    tools: tuple[ToolSpec, ...] = ()
    #: By role, or by the key of a model of no role (`Hop.key`); a model that is missing has no known price.
    prices: dict[str, Price] = {}
    #: Tokens that each model can read at once, by the same keys; a model that is missing has an unknown window.
    windows: dict[str, int] = Field(default={}, exclude_if=operator.not_)
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

    def policy(self, name: str) -> Policy | None:
        """How calls of the tool that the model knows by this name are carried out; None: there is no such tool."""
        for tool in self.definition.tools:
            if not isinstance(tool, McpServer) and tool.name == name:
                return tool.policy()
        for document_tool in self.definition.document_tools:
            if document_tool.name == name:
                return document_tool.policy()
        listed = self.mcp.get(name)
        server = self.definition.tools[listed.server] if listed is not None else None
        if listed is None or not isinstance(server, McpServer):
            return None
        return server.policy(name, listed.server, listed.tool)
