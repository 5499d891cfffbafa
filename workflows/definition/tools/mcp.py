"""The tools of an MCP server."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from perdure.workflows.definition.tools.activity import ToolUse
from perdure.workflows.definition.tools.options import (
    APPROVAL,
    BINDS,
    LEAST,
    ON_UNKNOWN,
    PARALLEL,
    SIDE_EFFECTS,
    YEAR,
    Approvals,
    Name,
    OnUnknown,
    Retry,
    SideEffects,
    check_once,
    keyed,
    tried_once,
)
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen

_REFERENCE: Final = re.compile(r"\$\{\w+\}")
#: What begins an expression, a statement or a comment of Jinja2.
_TEMPLATE: Final = re.compile(r"\{[{%#]")


def is_template(text: str) -> bool:
    """Whether a header or a variable is a template over the call, and not the same for everybody."""
    return _TEMPLATE.search(text) is not None


class McpAddress(Frozen):
    """Where an MCP server is. `${NAME}` in it comes from the environment of the worker that connects."""

    url: str | None = Field(
        default=None,
        description="The server's address (streamable HTTP), as in `http://localhost:9000/mcp`. `${NAME}` stands for a "
        "variable of the environment.",
    )
    headers: dict[str, str] = Field(
        default={},
        description="HTTP headers of each request to `url`, as in `Authorization: Bearer ${TOKEN}`. Also templates over "
        "the call: `{{ user.id }}`, `{{ tenant }}`, `{{ session.id }}`, `{{ inputs.NAME }}`, `{{ metadata.NAME }}`, "
        "`{{ call.id }}`.",
    )
    command: tuple[str, ...] = Field(
        default=(),
        description="In place of `url`: a program on the worker's machine, spoken to over its standard input and output. Its "
        "path or name, then its arguments.",
    )
    env: dict[str, str] = Field(
        default={},
        description="Variables that `command` is given in its environment, as in `TOKEN: ${TOKEN}`, or templates, as in "
        "`headers`: the program is then started anew for whoever needs other values.",
    )

    @property
    def has_templates(self) -> bool:
        return any(map(is_template, (*self.headers.values(), *self.env.values())))

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
        ge=LEAST,
        le=YEAR,
        description="How long one attempt of a call may take, as in `30s`. Default: 60s.",
    )
    retry: Retry = Field(default=Retry(), description="When a failed attempt is followed by another.")
    approval: Approvals = Field(default=None, description=APPROVAL)
    side_effects: SideEffects = Field(default="idempotent", description=SIDE_EFFECTS)
    on_unknown: OnUnknown = Field(default="tell", description=ON_UNKNOWN)
    parallel: int | None = Field(default=None, ge=1, le=1000, description=PARALLEL)
    expires: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=YEAR,
        description="How long a question of the server's to a person waits. Without it, until it is answered.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return tried_once(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_once(self.side_effects, self.retry, self.on_unknown)
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
            binds=use.model_dump(mode="json", include=BINDS) | address,
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


def read(value: Any) -> dict[str, Any] | None:
    """An entry of `tools:` with its kind named; None: it is of another kind."""
    return keyed(value, "mcp", "url or command, and its options")
