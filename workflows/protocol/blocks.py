"""What the record of a step keeps of the handler's block that it carries out."""

import operator

from pydantic import Field, JsonValue

from perdure.workflows.definition.providers.dialect import Thinking
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.parts import Frozen, Part, absent


class Misfit(Frozen):
    """An answer that was not what a block asks for."""

    text: str
    #: Why, in words for the model.
    why: str


class StepBlock(Frozen):
    block: Block
    #: How much its model reasons, in place of what the role says.
    thinking: Thinking | None = Field(default=None, exclude_if=absent)
    #: What `respond` adds to the instructions; what the others ask, their templates filled in.
    text: str = ""
    #: JSON Schema of the answer.
    output: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    options: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Earlier answers to the same question that did not fit.
    misfits: tuple[Misfit, ...] = Field(default=(), exclude_if=operator.not_)
    #: Characters of the conversation that a block which asks is given at most.
    room: int = Field(default=0, exclude_if=operator.not_)
    #: The conversation ends with an answer of the agent's, which this step follows on.
    follows_answer: bool = Field(default=False, exclude_if=operator.not_)
    #: The answer, where no event holds it.
    answer: tuple[Part, ...] = Field(default=(), exclude_if=operator.not_)

    @property
    def asks(self) -> bool:
        """The answer goes to a variable of the handler's."""
        return self.block.kind != "respond"

    @property
    def hides(self) -> bool:
        """Viewers are not shown the answer, and it is no message of the conversation."""
        return self.asks and self.block.display != "stream"
