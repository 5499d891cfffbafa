"""A tool that the session itself carries out."""

from typing import Any, Literal, get_args

from pydantic import Field

from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.parts import Frozen

SessionToolName = Literal["wake_me", "cancel_wake_up", "todo"]


class SessionTool(Frozen):
    """A tool that the session itself carries out."""

    kind: Literal["session"] = Field(default="session", description="What kind of entry this is.")
    name: SessionToolName = Field(description="The tool's name.")

    def policy(self) -> Policy:
        # A list goes back with its branch, so there is nothing that stands.
        return Policy(name=self.name, runner="session", checked_by="tool", effects=self.name != "todo")


def read(value: Any) -> dict[str, Any] | None:
    """An entry of `tools:` with its kind named; None: it is of another kind."""
    return {"kind": "session", "name": value} if value in get_args(SessionToolName) else None
