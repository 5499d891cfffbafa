"""Blocks that ask a model: `respond`, `generate`, `choose`."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from perdure.workflows.definition.handlers.limits import BlockLimits, RespondLimits
from perdure.workflows.definition.providers.dialect import Thinking
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.blocks import Display
from perdure.workflows.vocabulary.parts import Frozen, absent

_MODEL = "The role, one of `models`, that is asked. Without it, the one that answers in this session."
_THINKING = "How much the model reasons before it answers. Without it, what the role says."
_PROMPT = (
    "What the model is asked, behind the conversation so far: a Jinja2 template over the inputs, the handler's variables, "
    "`session`, `user` and `turn`. The agent's instructions are not added."
)
_DISPLAY = (
    "What viewers are shown of the block: nothing (`hidden`), its name while it runs (`name`), or its answer while it is "
    "written, which is a message of the conversation then (`stream`). Default: hidden."
)
_LIMITS = "What this block alone may use, below the turn's limits. Reaching it is an error that `try` catches."

Prompt = Annotated[str, Field(min_length=1, description=_PROMPT)]


class Respond(Frozen):
    """The agent answers in the conversation: it calls tools and goes on until it has said what it has to."""

    kind: Literal["respond"] = "respond"
    model: Name | None = Field(default=None, exclude_if=absent, description=_MODEL)
    thinking: Thinking | None = Field(default=None, exclude_if=absent, description=_THINKING)
    instructions: str | None = Field(
        default=None,
        min_length=1,
        exclude_if=absent,
        description="What the model is told here in addition to the agent's instructions: a Jinja2 template over the inputs, "
        "the handler's variables, `session`, `user` and `turn`.",
    )
    limits: RespondLimits | None = Field(default=None, exclude_if=absent, description=_LIMITS)


class Generate(Frozen):
    """A model answers one question of the handler's, and its answer goes to a variable."""

    kind: Literal["generate"] = "generate"
    model: Name | None = Field(default=None, exclude_if=absent, description=_MODEL)
    thinking: Thinking | None = Field(default=None, exclude_if=absent, description=_THINKING)
    prompt: Prompt
    output: dict[str, JsonValue] | None = Field(
        default=None,
        exclude_if=absent,
        description="JSON Schema of the answer, with `type: object`. The model is kept to it where its provider can do that, "
        "and told it otherwise. An answer that does not fit is asked for again, with what is wrong, at most twice. Without "
        "it, the answer is a text.",
    )
    into: Name = Field(description="The variable that the answer goes to.")
    display: Display = Field(default="hidden", description=_DISPLAY)
    limits: BlockLimits | None = Field(default=None, exclude_if=absent, description=_LIMITS)


class Choose(Frozen):
    """A model picks one of several options, which goes to a variable."""

    kind: Literal["choose"] = "choose"
    model: Name | None = Field(default=None, exclude_if=absent, description=_MODEL)
    thinking: Thinking | None = Field(default=None, exclude_if=absent, description=_THINKING)
    prompt: Prompt
    options: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        min_length=2, max_length=100, description="What the model can pick: texts, each of them another one."
    )
    into: Name = Field(description="The variable that the option goes to.")
    display: Literal["hidden", "name"] = Field(
        default="hidden",
        description="What viewers are shown of the block: nothing (`hidden`), or its name while it runs (`name`). Default: "
        "hidden.",
    )
    limits: BlockLimits | None = Field(default=None, exclude_if=absent, description=_LIMITS)
