"""What became of an answer that had to keep to a schema, and how a result is checked that no model wrote.

The worker that had the answer checks it, once, as it checks the arguments of calls: it has the whole text, also of a long
answer, and the verdict stays the same in every replay.
"""

from pydantic import Field, JsonValue
from temporalio import activity

from perdure.workflows.vocabulary.parts import Frozen, absent


class CheckedAnswer(Frozen):
    """Exactly one of the two is given."""

    value: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    #: What is wrong, and where, in words for the model.
    misfit: str | None = Field(default=None, exclude_if=absent)


class CheckAnswerInput(Frozen):
    value: dict[str, JsonValue]
    #: JSON Schema.
    form: dict[str, JsonValue]


@activity.defn(name="check_answer")
async def check_answer(request: CheckAnswerInput) -> str | None:
    """What is wrong with a value, and where, in words for people; None: it fits."""
    raise NotImplementedError
