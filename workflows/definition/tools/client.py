"""A tool that the browser or app runs, or a person: the call is a question. `ask_user` is one that describes itself."""

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from perdure.workflows.definition import ask_user
from perdure.workflows.definition.tools.options import YEAR, Name, Schema, keyed, named
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen


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
        le=YEAR,
        description="How long the call waits for its result, as in `1h`. Without it, until the result comes.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.input.get("type") != "object":
            raise ValueError("input: is a JSON Schema of type: object")
        return self

    def policy(self) -> Policy:
        return Policy(
            name=self.name,
            runner="person",
            checked_by="schema",
            form="fields" if self.name == ask_user.NAME else "result",
            expires=self.expires,
            input=self.input,
            output=self.output,
        )


def read(value: Any) -> dict[str, Any] | None:
    """An entry of `tools:` with its kind named; None: it is of another kind."""
    if value == ask_user.NAME:
        value = {ask_user.NAME: None}
    if isinstance(value, dict) and list(value) == [ask_user.NAME]:
        described = {"description": ask_user.DESCRIPTION, "input": ask_user.INPUT, "output": {"type": "object"}}
        options = named(value)
        if options.keys() & described.keys():
            raise ValueError(f"{ask_user.NAME}: describes itself; its only option is expires")
        return {"kind": "client", **described, **options}
    found = keyed(value, "client", "name, description, input, output, expires")
    if found is not None and found.get("name") == ask_user.NAME:
        raise ValueError(f"client: {ask_user.NAME!r} is built in; it goes into tools by its name alone")
    return found
