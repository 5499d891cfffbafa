"""A tool that the session itself carries out."""

from typing import Any, Literal

from pydantic import Field

from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.parts import Frozen


class SessionTool(Frozen):
    """A tool that the session itself carries out."""

    kind: Literal["session"] = Field(default="session", description="What kind of entry this is.")
    name: Literal["wake_me", "cancel_wake_up"] = Field(description="The tool's name.")

    def policy(self) -> Policy:
        return Policy(name=self.name, runner="session", checked_by="tool")


def read(value: Any) -> dict[str, Any] | None:
    """An entry of `tools:` with its kind named; None: it is of another kind."""
    return {"kind": "session", "name": value} if value in ("wake_me", "cancel_wake_up") else None
