"""Tools as an agent's `tools:` names them: how a call is allowed, where it runs, and what its failure means.

Rule: what a policy cannot mean is refused here, with the field's name, so that nothing is decided by silence later.
"""

import operator
import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from perdure.workflows.definition import ask_user
from perdure.workflows.definition.policy import Policy
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Form, Frozen, Remember

#: Of an agent's, a tool's, an input's and a role's name.
NAME: Final = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]
Schema = dict[str, JsonValue]

_YEAR = timedelta(days=365)
_LEAST = timedelta(milliseconds=1)
#: Keys of `tools:` that are no tool's name.
KEYWORDS = ("agent", "mcp", "client")
_REFERENCE = re.compile(r"\$\{\w+\}")
#: Options that decide whether somebody has to be asked, and what may come of a call.
_BINDS = {"kind", "approval", "side_effects", "on_unknown", "fallback", "task_queue", "handoff", "share"}


class Retry(Frozen):
    """When a failed attempt is followed by another. Failures that say they are final are never retried."""

    attempts: int = Field(
        default=3, ge=1, le=100, description="How often a call is tried in all, the first time included. Default: 3."
    )
    initial: Duration = Field(
        default=timedelta(milliseconds=100),
        ge=_LEAST,
        le=_YEAR,
        description="The pause before the second attempt, as in `500ms` or `2s`. Default: 100ms.",
    )
    backoff: float = Field(
        default=2,
        ge=1,
        le=100,
        description="How many times as long each further pause is as the one before. Default: 2.",
    )
    maximum: Duration = Field(
        default=timedelta(seconds=30), ge=_LEAST, le=_YEAR, description="The longest pause. Default: 30s."
    )
    non_retryable: tuple[str, ...] = Field(
        default=(), description="Types of errors that are final: a call that fails with one is not tried again."
    )


class Approval(Frozen):
    """A person has to allow a call: each one, or those for which `when` is true.

    In YAML also `always`, and `never` for none.
    """

    when: str | None = Field(
        default=None,
        description="Which calls need a person: exactly one `{{ }}` that gives true or false, over `args` (the call's "
        "arguments), the inputs, `session`, `user` and `turn`. Without it, each call does.",
    )
    expires: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=_YEAR,
        description="How long the question waits, as in `2h` or `7d`. Without it, until it is answered.",
    )
    default: Literal["approve", "deny"] = Field(
        default="deny", description="What holds when nobody answered before `expires`. Default: deny."
    )
    remember: Remember | None = Field(
        default=None,
        description="Whether one answer may allow further calls: `never`, or `same_args` for calls with the same arguments. "
        "Without it, a person may allow the tool for the rest of the session.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default == "approve" and self.expires is None:
            raise ValueError("default: only counts with expires, after which it holds")
        return self


def _read_approval(value: Any) -> Any:
    match value:
        case "never" | None:
            return None
        case "always":
            return {}
        case str():
            raise ValueError("is always, never or {when: ...}")
        case _:
            return value


SideEffects = Literal["none", "idempotent", "once"]

_APPROVAL = (
    "Whether a person has to allow calls: `always`, `never`, or for which of them and for how long. Default: never."
)
_SIDE_EFFECTS = (
    "What a repeated call does. `none` and `idempotent`: it does no harm, so a call may be tried again. `once`: a call is "
    "never repeated, and has the result `outcome_unknown` where nobody knows whether it took effect. Default: idempotent."
)
_ON_UNKNOWN = (
    "With `side_effects: once`, when the outcome of a call is unknown: `tell` the model, `ask` a person, or `stop` the turn. "
    "Default: tell."
)
_PARALLEL = "Calls that run at the same time in one session. Without it, the session's `parallel_calls`."


class ToolUse(Frozen):
    """A tool that is an activity. In YAML it is a name, or a name with options: `- find_order: {timeout: 30s}`."""

    kind: Literal["activity"] = Field(default="activity", description="What kind of entry this is.")
    name: Name = Field(description="The tool's name: a letter, then up to 63 letters, digits, _ or -.")
    # Temporal takes no time-out of zero, and a session carries it over in whole milliseconds.
    timeout: Duration = Field(
        default=timedelta(seconds=60),
        ge=_LEAST,
        le=_YEAR,
        description="How long one attempt may take, as in `30s` or `5m`. Default: 60s.",
    )
    retry: Retry = Field(default=Retry(), description="When a failed attempt is followed by another.")
    approval: Annotated[Approval | None, BeforeValidator(_read_approval)] = Field(default=None, description=_APPROVAL)
    side_effects: SideEffects = Field(default="idempotent", description=_SIDE_EFFECTS)
    on_unknown: Literal["tell", "ask", "stop"] = Field(default="tell", description=_ON_UNKNOWN)
    fallback: Name | None = Field(
        default=None,
        description="Another of the agent's tools, called with the same arguments once this one has failed for good.",
    )
    parallel: int | None = Field(default=None, ge=1, le=1000, description=_PARALLEL)
    process: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="Whether calls run in a process of their own: for tools that hold the interpreter, as C extensions that "
        "compute do, or that may end their process. A stop and a time-out end that process at once; if it ends by itself, "
        "that call alone fails, as tool_crashed. It loads the same tools, and shares nothing that their modules hold in "
        "memory. Default: false.",
    )
    task_queue: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="The task queue of the worker that runs the tool, where that is not Perdure's own: an activity of the "
        "tool's name, in any language. Such a tool is described here, by `description`, `input` and `output`.",
    )
    description: str | None = Field(
        default=None, description="With `task_queue`: what the model is told that the tool does."
    )
    input: Schema | None = Field(
        default=None, description="With `task_queue`: the JSON Schema of the tool's arguments, of `type: object`."
    )
    output: Schema | None = Field(
        default=None, description="With `task_queue`: the JSON Schema of the tool's result. Without it, anything."
    )
    queue_timeout: Duration = Field(
        default=timedelta(seconds=60),
        ge=_LEAST,
        le=_YEAR,
        description="With `task_queue`: how long a call waits for a worker to take it. Default: 60s.",
    )
    heartbeat: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=_YEAR,
        description="With `task_queue`: a worker that is silent for longer counts as dead. Its tool has to send heartbeats.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        elif isinstance(value, dict) and "name" not in value:
            value = _named(value)
        return _tried_once(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_once(self)
        remote = ("description", "input", "output", "heartbeat", "queue_timeout")
        if self.task_queue is None:
            for field in remote:
                if getattr(self, field) != type(self).model_fields[field].default:
                    raise ValueError(f"{field}: only counts with task_queue; Perdure's own tools describe themselves")
        elif self.process:
            raise ValueError("process: does not count with task_queue; only Perdure's own workers know it")
        elif self.input is None or self.description is None:
            raise ValueError("task_queue: a tool of another worker needs its description and its input schema here")
        elif self.input.get("type") != "object":
            raise ValueError("input: is a JSON Schema of type: object")
        if self.fallback == self.name:
            raise ValueError("fallback: cannot be the tool itself")
        return self

    def policy(self) -> Policy:
        return Policy(
            name=self.name,
            runner="worker" if self.task_queue is None else "remote",
            checked_by="tool" if self.task_queue is None else "schema",
            approval=self.approval,
            once=self.side_effects == "once",
            on_unknown=self.on_unknown,
            fallback=self.fallback,
            parallel=self.parallel,
            binds=self.model_dump(mode="json", include=_BINDS),
            activity=self,
        )


class ClientTool(Frozen):
    """A tool that the browser or app runs: the call is a question, and its answer is the result."""

    kind: Literal["client"] = Field(default="client", description="What kind of entry this is.")
    name: Name = Field(description="The tool's name: a letter, then up to 63 letters, digits, _ or -.")
    description: str = Field(description="What the model is told that the tool does.")
    input: Schema = Field(
        default={"type": "object"},
        description="The JSON Schema of the arguments, of `type: object`. Default: any object.",
    )
    output: Schema | None = Field(
        default=None, description="The JSON Schema of the result that the app sends. Without it, anything."
    )
    expires: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=_YEAR,
        description="How long the call waits for its result, as in `1h`. Without it, until the result comes.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.input.get("type") != "object":
            raise ValueError("input: is a JSON Schema of type: object")
        return self

    def policy(self) -> Policy:
        form: Form = "fields" if self.name == ask_user.NAME else "result"
        return Policy(
            name=self.name,
            runner="person",
            checked_by="schema",
            form=form,
            expires=self.expires,
            input=self.input,
            output=self.output,
        )


class SessionTool(Frozen):
    """A tool that the session itself carries out."""

    kind: Literal["session"] = Field(default="session", description="What kind of entry this is.")
    name: Literal["wake_me", "cancel_wake_up"] = Field(description="The tool's name.")

    def policy(self) -> Policy:
        return Policy(name=self.name, runner="session", checked_by="tool")


class AgentTool(Frozen):
    """A tool that is another agent: it answers as a session of its own, or takes this session over."""

    kind: Literal["agent"] = Field(default="agent", description="What kind of entry this is.")
    name: Name = Field(description="The other agent's name; the model calls the tool by it, too.")
    description: str | None = Field(
        default=None, description="What the model is told. Without it, the description of the other agent."
    )
    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="The part of what the turn and the session may still cost that one call may spend: above 0, up to 1. It "
        "counts only under a cap on cost. Default: 0.5.",
    )
    handoff: bool = Field(
        default=False,
        description="Whether the other agent takes the conversation over, instead of answering as a tool. Default: false.",
    )
    timeout: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=_YEAR,
        description="How long the answer may take, the time that it waits for people included. Without it, for ever.",
    )
    approval: Annotated[Approval | None, BeforeValidator(_read_approval)] = Field(default=None, description=_APPROVAL)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field in ("share", "timeout"):
            if self.handoff and getattr(self, field) != type(self).model_fields[field].default:
                raise ValueError(f"{field}: does not count with handoff: true, where no other session runs")
        return self

    def policy(self) -> Policy:
        return Policy(
            name=self.name,
            runner="handoff" if self.handoff else "child",
            checked_by="schema",
            approval=self.approval,
            timeout=self.timeout,
            share=self.share,
            binds=self.model_dump(mode="json", include=_BINDS),
        )


class McpAddress(Frozen):
    """Where an MCP server is. `${NAME}` in it comes from the environment of the worker that connects."""

    url: str | None = Field(
        default=None,
        description="The server's address (streamable HTTP), as in `http://localhost:9000/mcp`. `${NAME}` stands for a "
        "variable of the environment.",
    )
    headers: dict[str, str] = Field(
        default={}, description="HTTP headers of each request to `url`, as in `Authorization: Bearer ${TOKEN}`."
    )
    command: tuple[str, ...] = Field(
        default=(),
        description="In place of `url`: a program on the worker's machine, spoken to over its standard input and output. Its "
        "path or name, then its arguments.",
    )
    env: dict[str, str] = Field(
        default={}, description="Variables that `command` is given in its environment, as in `TOKEN: ${TOKEN}`."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (not self.command):
            raise ValueError("url: an MCP server has a url, or a command and its arguments, not both")
        if self.url is not None and not self.url.startswith(("http://", "https://", "${")):
            raise ValueError("url: starts with http:// or https://")
        if self.command and self.headers:
            raise ValueError("headers: only count with url; a command takes env")
        if self.url is not None and self.env:
            raise ValueError("env: only counts with command; a url takes headers")
        if any(map(_REFERENCE.search, self.command)):
            raise ValueError("command: ${NAME} is filled in only in url, headers and env")
        return self


class McpServer(McpAddress):
    """The tools of an MCP server, all under one policy. Which tools there are, the server says."""

    kind: Literal["mcp"] = Field(default="mcp", description="What kind of entry this is.")
    name: Name | None = Field(
        default=None,
        description="The model calls the server's tools `{name}_{tool}`. Without it, as the server names them.",
    )
    allow: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None, description="Which of the server's tools the agent has, by the server's names. Without it, all."
    )
    timeout: Duration = Field(
        default=timedelta(seconds=60),
        ge=_LEAST,
        le=_YEAR,
        description="How long one attempt of a call may take, as in `30s`. Default: 60s.",
    )
    retry: Retry = Field(default=Retry(), description="When a failed attempt is followed by another.")
    approval: Annotated[Approval | None, BeforeValidator(_read_approval)] = Field(default=None, description=_APPROVAL)
    side_effects: SideEffects = Field(default="idempotent", description=_SIDE_EFFECTS)
    on_unknown: Literal["tell", "ask", "stop"] = Field(default="tell", description=_ON_UNKNOWN)
    parallel: int | None = Field(default=None, ge=1, le=1000, description=_PARALLEL)
    expires: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=_YEAR,
        description="How long a question of the server's to a person waits. Without it, until it is answered.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return _tried_once(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_once(self)
        return self

    @property
    def address(self) -> McpAddress:
        return McpAddress(url=self.url, headers=self.headers, command=self.command, env=self.env)

    @property
    def label(self) -> str:
        """What people call the server."""
        return self.name or self.url or self.command[0]

    def policy(self, name: str, index: int, tool: str) -> Policy:
        """Of one of its tools, which the model calls `name` and the server `tool`; `index` is the server's place."""
        use = ToolUse(
            name=name,
            timeout=self.timeout,
            retry=self.retry,
            approval=self.approval,
            side_effects=self.side_effects,
            on_unknown=self.on_unknown,
            parallel=self.parallel,
        )
        address = {"address": self.address.model_dump(mode="json"), "tool": tool}
        return replace(
            use.policy(),
            runner="mcp",
            checked_by="schema",
            expires=self.expires,
            binds=use.model_dump(mode="json", include=_BINDS) | address,
            server=self,
            index=index,
            tool=tool,
        )


class McpTool(Frozen):
    """A listed tool of an MCP server."""

    #: The server's place among the definition's tools.
    server: int
    #: As the server calls it.
    tool: str


def _check_once(policy: "ToolUse | McpServer") -> None:
    if policy.side_effects == "once" and policy.retry.attempts > 1:
        raise ValueError("retry: a tool whose side effects happen once is never tried again; leave it away")
    if policy.side_effects != "once" and policy.on_unknown != "tell":
        raise ValueError("on_unknown: only counts with side_effects: once")


def _tried_once(value: Any) -> Any:
    """`side_effects: once` means one attempt where nothing else is said."""
    if isinstance(value, dict) and value.get("side_effects") == "once":
        retry = value.get("retry", {})
        if isinstance(retry, dict):
            return {**value, "retry": {"attempts": 1, **retry}}
    return value


def _named(value: dict[Any, Any]) -> dict[Any, Any]:
    """`{find_order: {timeout: 30s}}` → `{name: find_order, timeout: 30s}`"""
    if len(value) != 1:
        raise ValueError("a tool is a name, or one name with its options")
    ((name, options),) = value.items()
    if options is not None and (not isinstance(options, dict) or {"name", "kind"} & options.keys()):
        raise ValueError(f"the options of {name} are a mapping, as in retry: {{attempts: 1}}")
    return {"name": name, **(options or {})}


def _entry(value: Any) -> Any:
    """One entry of `tools:` with its kind told."""
    if value in ("wake_me", "cancel_wake_up"):
        return {"kind": "session", "name": value}
    if value == ask_user.NAME:
        value = {ask_user.NAME: None}
    if isinstance(value, dict) and "kind" not in value:
        if list(value) == [ask_user.NAME]:
            described = {"description": ask_user.DESCRIPTION, "input": ask_user.INPUT, "output": {"type": "object"}}
            options = _named(value)
            if options.keys() & described.keys():
                raise ValueError(f"{ask_user.NAME}: describes itself; its only option is expires")
            return {"kind": "client", **described, **options}
        if list(value) == ["client"]:
            options = value["client"]
            if not isinstance(options, dict) or "kind" in options:
                raise ValueError("client: is a mapping of name, description, input, output, expires")
            if options.get("name") == ask_user.NAME:
                raise ValueError(f"client: {ask_user.NAME!r} is built in; it goes into tools by its name alone")
            return {"kind": "client", **options}
        if list(value) == ["agent"]:
            options = value["agent"]
            if not isinstance(options, dict) or "kind" in options:
                raise ValueError("agent: is a mapping of name, description, share, handoff, timeout, approval")
            return {"kind": "agent", **options}
        if list(value) == ["mcp"]:
            options = value["mcp"]
            if not isinstance(options, dict) or "kind" in options:
                raise ValueError("mcp: is a mapping of url or command, and its options")
            return {"kind": "mcp", **options}
        return {"kind": "activity", **(value if "name" in value else _named(value))}
    return {"kind": "activity", "name": value} if isinstance(value, str) else value


ToolEntry = Annotated[
    Annotated[ToolUse | ClientTool | AgentTool | McpServer | SessionTool, Field(discriminator="kind")],
    BeforeValidator(_entry),
]


def name_of(tool: ToolUse | ClientTool | AgentTool | McpServer | SessionTool) -> str:
    """What people call an entry of `tools:`."""
    return f"mcp {tool.label}" if isinstance(tool, McpServer) else tool.name
