"""What changes a session because its agent's definition, or what its tools are, is found out; see `changes.py`."""

from dataclasses import dataclass

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.vocabulary.parts import ToolError


@dataclass(frozen=True)
class AgentLoading:
    """The definition is being loaded."""


@dataclass(frozen=True, kw_only=True)
class AgentLoaded:
    agent: LoadedAgent


@dataclass(frozen=True, kw_only=True)
class AgentFailed:
    """The definition could not be loaded; a session that has one goes on with it."""

    error: ToolError


@dataclass(frozen=True, kw_only=True)
class RenewalAsked:
    """For a timer's turn, it is looked up which definition the agent has now."""

    timer_id: str


@dataclass(frozen=True, kw_only=True)
class AgentRenewed:
    #: Of the definition that the agent has now; None: that could not be found out.
    digest: str | None


@dataclass(frozen=True)
class ToolsAsked:
    """MCP servers are being asked whether they list other tools."""


@dataclass(frozen=True, kw_only=True)
class ToolsKnown:
    """They have been asked."""

    changed: bool


@dataclass(frozen=True)
class ToolsChanged:
    """A worker or a server describes the agent's tools otherwise."""
