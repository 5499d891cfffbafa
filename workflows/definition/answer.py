"""The form of an agent's final answers: JSON that keeps to a schema."""

from pydantic import ConfigDict, Field, JsonValue

from perdure.workflows.vocabulary.parts import Frozen


class AnswerForm(Frozen):
    """How a turn ends: with an answer that is JSON of this schema. Another answer is asked for again, at most twice."""

    model_config = Frozen.model_config | ConfigDict(populate_by_name=True, serialize_by_alias=True)

    form: dict[str, JsonValue] = Field(
        alias="schema",
        description="JSON Schema of the answer, with `type: object`. The model is kept to it where its provider can do that, "
        "and is told it otherwise. The checked value is the `result` of `turn.finished`.",
    )
