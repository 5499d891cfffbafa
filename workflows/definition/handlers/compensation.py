"""How a handler takes back what its calls have done: `compensate` of a call, and the block `compensate`."""

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.parts import Frozen


class Compensation(Frozen):
    """What takes a call back once it has succeeded. It is filled in then, and carried out by the block `compensate`."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    tool: Name = Field(description="The tool that takes the call back, one of `tools`.")
    arguments: dict[str, JsonValue] = Field(
        default={},
        alias="with",
        description="Its arguments by name, filled in as those of a call are, once the call has succeeded: they may read the "
        "call's own result.",
    )


class Compensate(Frozen):
    """Calls that said `compensate` and have succeeded are taken back, the latest first, one after the other. One that fails
    keeps no other from being taken back; then the block fails with `compensation_failed`. Most stand in the `catch` of a
    `try`. What no such block has taken back when the handler ends, stands."""

    kind: Literal["compensate"] = "compensate"
