"""Blocks that ask no model and hold no other blocks: `call`, `set`, `say`, `wait`, `finish`."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from perdure.workflows.definition.handlers.compensation import Compensation
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.durations import parse_duration
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
    compensate: Compensation | None = Field(
        default=None,
        exclude_if=absent,
        description="What takes the call back, if a block `compensate` comes to be carried out after it has succeeded.",
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


class WaitFor(Frozen):
    """The handler waits, for a time or for an event. Its turn ends meanwhile, so that the conversation is free, and another
    turn goes on with it."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    kind: Literal["wait"] = "wait"
    event: Name | None = Field(
        default=None,
        exclude_if=absent,
        description="The event, one of `events`, that is waited for. One that came before counts, too, where no handler has "
        "taken it.",
    )
    when: str | None = Field(
        default=None,
        min_length=1,
        exclude_if=absent,
        description="Which events are meant: exactly one `{{ }}` that gives true or false, over the inputs, the handler's "
        "variables, `session`, `user`, and `event`, which holds what the event says. An event for which it gives anything "
        "else, or fails, is left to others. Without it, any.",
    )
    into: Name | None = Field(
        default=None, exclude_if=absent, description="The variable that what the event says goes to, by name."
    )
    length: str | None = Field(
        default=None,
        alias="for",
        min_length=1,
        exclude_if=absent,
        description="For how long, as in `30m` or `3d`; may be a template that gives such a text. An event that does not "
        "come in this time is the error `expired`; without it, the event is waited for until it comes.",
    )
    until: str | None = Field(
        default=None,
        min_length=1,
        exclude_if=absent,
        description="Until when: a time as in `2026-03-06T09:00:00+01:00`, in the session's time zone where it has no "
        "offset; may be a template. A time that has passed is not waited for.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.event is None:
            for only, value in (("when", self.when), ("into", self.into)):
                if value is not None:
                    raise ValueError(f"{only}: is about an event; name one with `event`, or leave `{only}` out")
            if (self.length is None) == (self.until is None):
                raise ValueError("for, until: give exactly one of the two, or an `event`")
        elif self.until is not None:
            raise ValueError("until: is for a wait without `event`; say with `for` how long the event may take")
        for field, given, read in (("for", self.length, parse_duration), ("until", self.until, datetime.fromisoformat)):
            if given is not None and "{" not in given:
                try:
                    read(given)
                except ValueError as error:
                    raise ValueError(f"{field}: {error}") from error
        return self


def _result(value: Any) -> Any:
    if value is not None and not isinstance(value, dict) and (not isinstance(value, str) or "{{" not in value):
        raise ValueError("must be a mapping, or exactly one {{ }} that gives one")
    return value


class Finish(Frozen):
    """The handler ends here, and its turn with it."""

    kind: Literal["finish"] = "finish"
    result: Annotated[JsonValue, BeforeValidator(_result)] = Field(
        default=None,
        exclude_if=absent,
        description="The answer, where the agent has an `answer`: a mapping that fits its schema, or exactly one `{{ }}` "
        "that gives one. Each text in it is a Jinja2 template; one that is exactly one `{{ }}` keeps the type of its value.",
    )
