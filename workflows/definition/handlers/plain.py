"""Blocks that ask no model and hold no other blocks: `call`, `set`, `say`, `finish`."""

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.parts import Frozen, absent


class CallTool(Frozen):
    """One of the agent's tools is called. Its result goes to a variable, and not into the conversation."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    kind: Literal["call"] = "call"
    tool: Name = Field(description="The tool, one of `tools`.")
    arguments: dict[str, JsonValue] = Field(
        default={},
        alias="with",
        description="The call's arguments by name. Each text in them is a Jinja2 template; one that is exactly one `{{ }}` "
        "keeps the type of its value.",
    )
    into: Name | None = Field(default=None, exclude_if=absent, description="The variable that the result goes to.")
    display: Literal["hidden", "name"] = Field(
        default="hidden",
        description="What viewers are shown of the call: nothing (`hidden`), or as much as of any other call (`name`). "
        "Default: hidden.",
    )


class Set(Frozen):
    """Variables get values."""

    kind: Literal["set"] = "set"
    values: dict[Name, JsonValue] = Field(
        min_length=1,
        description="Values by the variable's name, one after the other. Each text in them is a Jinja2 template; one that is "
        "exactly one `{{ }}` keeps the type of its value.",
    )


class Say(Frozen):
    """The agent says a text that no model wrote."""

    kind: Literal["say"] = "say"
    text: str = Field(min_length=1, description="The text: a Jinja2 template.")


class Finish(Frozen):
    """The handler ends here."""

    kind: Literal["finish"] = "finish"
