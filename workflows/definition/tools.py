"""Tools as an agent's `tools:` names them: how a call is allowed, where it runs, and what its failure means.

Rule: what a policy cannot mean is refused here, with the field's name, so that nothing is decided by silence later.
"""

import operator
import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from perdure.workflows.definition import ask_user
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen, Remember

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Schema = dict[str, JsonValue]

_YEAR = timedelta(days=365)
_LEAST = timedelta(milliseconds=1)
#: Keys of `tools:` that are no tool's name.
KEYWORDS = ("agent", "mcp", "client")
_REFERENCE = re.compile(r"\$\{\w+\}")


class Retry(Frozen):
    """When a failed attempt is followed by another. Failures that say they are final are never retried."""

    #: How often a call is tried in all, the first time included.
    attempts: int = Field(default=3, ge=1, le=100)
    #: The pause before the second attempt; each further one is `backoff` times as long, up to `maximum`.
    initial: Duration = Field(default=timedelta(milliseconds=100), ge=_LEAST, le=_YEAR)
    backoff: float = Field(default=2, ge=1, le=100)
    maximum: Duration = Field(default=timedelta(seconds=30), ge=_LEAST, le=_YEAR)
    #: Types of errors that are final.
    non_retryable: tuple[str, ...] = ()


class Approval(Frozen):
    """A person has to allow a call: each one, or those for which `when` is true.

    In YAML also `always`, and `never` for none.
    """

    #: A template that is exactly one `{{ }}` and gives true or false; None: each call.
    when: str | None = None
    #: How long the question waits; None: until it is answered.
    expires: Duration | None = Field(default=None, ge=timedelta(seconds=1), le=_YEAR)
    #: What holds when nobody answered in time.
    default: Literal["approve", "deny"] = "deny"
    #: Whether a person may allow further calls with one answer: never, or only those with the same arguments; None: all of
    #: the tool, for the rest of the session.
    remember: Remember | None = None

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


class ToolUse(Frozen):
    """A tool that is an activity. In YAML it is a name, or a name with options: `- find_order: {timeout: 30s}`."""

    kind: Literal["activity"] = "activity"
    name: Name
    #: Of one attempt. Temporal takes none of zero, and a session carries it over in whole milliseconds.
    timeout: Duration = Field(default=timedelta(seconds=60), ge=_LEAST, le=_YEAR)
    retry: Retry = Retry()
    approval: Annotated[Approval | None, BeforeValidator(_read_approval)] = None
    #: `none`, `idempotent`: a call may be tried again, under the same activity id. `once`: it never is; a call of which
    #: nobody knows whether it took effect has the result `outcome_unknown`.
    side_effects: SideEffects = "idempotent"
    #: Of a `once` call whose outcome is unknown: tell the model, ask a person, or stop the turn.
    on_unknown: Literal["tell", "ask", "stop"] = "tell"
    #: Another of the agent's tools, called with the same arguments when this one has failed for good.
    fallback: Name | None = None
    #: Calls of this tool that run at the same time in one session.
    parallel: int | None = Field(default=None, ge=1, le=1000)
    process: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="Calls run in a process of their own: for tools that hold the interpreter, as C extensions that compute "
        "do, or that may end their process. A stop and a time-out end that process at once; if it ends by itself, that call "
        "alone fails, as tool_crashed. It loads the same tools, and shares nothing that their modules hold in memory.",
    )
    #: Of a worker that is not Perdure's, in any language; its tools are described here.
    task_queue: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    description: str | None = None
    input: Schema | None = None
    output: Schema | None = None
    #: How long a call waits for a worker of `task_queue` to take it.
    queue_timeout: Duration = Field(default=timedelta(seconds=60), ge=_LEAST, le=_YEAR)
    #: A worker of `task_queue` that is silent for longer is dead; its tool has to heartbeat.
    heartbeat: Duration | None = Field(default=None, ge=timedelta(seconds=1), le=_YEAR)

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


class ClientTool(Frozen):
    """A tool that the browser or app runs: the call is a question, and its answer is the result."""

    kind: Literal["client"] = "client"
    name: Name
    description: str
    input: Schema = {"type": "object"}
    #: JSON Schema of the result; None: anything.
    output: Schema | None = None
    #: How long the call waits for its result; None: until it comes.
    expires: Duration | None = Field(default=None, ge=timedelta(seconds=1), le=_YEAR)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.input.get("type") != "object":
            raise ValueError("input: is a JSON Schema of type: object")
        return self


class SessionTool(Frozen):
    """A tool that the session itself carries out."""

    kind: Literal["session"] = "session"
    name: Literal["wake_me", "cancel_wake_up"]


class AgentTool(Frozen):
    """A tool that is another agent: it answers as a session of its own, or takes this session over."""

    kind: Literal["agent"] = "agent"
    #: The agent's; the model calls the tool so, too.
    name: Name
    #: What the model is told; None: what the agent's definition says.
    description: str | None = None
    #: The part of what the turn and the session may still cost that one call may spend; without caps it means nothing.
    share: float = Field(default=0.5, gt=0, le=1)
    #: The other agent goes on with the conversation in this one's place.
    handoff: bool = False
    #: How long its answer may take, the time that it waits for people included; None: for ever.
    timeout: Duration | None = Field(default=None, ge=timedelta(seconds=1), le=_YEAR)
    approval: Annotated[Approval | None, BeforeValidator(_read_approval)] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field in ("share", "timeout"):
            if self.handoff and getattr(self, field) != type(self).model_fields[field].default:
                raise ValueError(f"{field}: does not count with handoff: true, where no other session runs")
        return self


class McpAddress(Frozen):
    """Where an MCP server is. `${NAME}` in it comes from the environment of the worker that connects."""

    #: Streamable HTTP.
    url: str | None = None
    headers: dict[str, str] = {}
    #: A program of the worker's machine, spoken to over stdin and stdout: its path or name, and its arguments.
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}

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

    kind: Literal["mcp"] = "mcp"
    #: Its tools are called `{name}_{tool}`; None: as the server calls them.
    name: Name | None = None
    #: Of the server's tools, by its names; None: all.
    allow: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    timeout: Duration = Field(default=timedelta(seconds=60), ge=_LEAST, le=_YEAR)
    retry: Retry = Retry()
    approval: Annotated[Approval | None, BeforeValidator(_read_approval)] = None
    side_effects: SideEffects = "idempotent"
    on_unknown: Literal["tell", "ask", "stop"] = "tell"
    parallel: int | None = Field(default=None, ge=1, le=1000)
    #: How long what the server asks a person waits, before it is told that nobody answered; None: until it is answered.
    expires: Duration | None = Field(default=None, ge=timedelta(seconds=1), le=_YEAR)

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

    def policy(self, name: str) -> ToolUse:
        """How a call of one of its tools is allowed, and what its failure means."""
        return ToolUse(
            name=name,
            timeout=self.timeout,
            retry=self.retry,
            approval=self.approval,
            side_effects=self.side_effects,
            on_unknown=self.on_unknown,
            parallel=self.parallel,
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
