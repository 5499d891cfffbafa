"""What sessions of an agent are called in lists, where a model names them."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import Field

from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen

#: What the model is asked, behind the conversation.
PROMPT: Final = "Name this conversation in at most six words, in the user's language. Answer with the name alone."


class TitlePolicy(Frozen):
    """A model names each session once the first turn is done. Without it, the first words of the first message do."""

    model: Name = Field(description="The role, one of `models`, that names the session; a cheap one will do.")
    prompt: str = Field(
        default=PROMPT,
        min_length=1,
        max_length=2_000,
        exclude_if=lambda value: value == PROMPT,
        description="What that model is asked, behind the conversation. Without it, a name of at most six words.",
    )

    def faults(self, models: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """The fields that do not fit a definition with these models, each with what is wrong."""
        if self.model not in models:
            near = did_you_mean(self.model, models) or f"; there are: {', '.join(models)}"
            yield "model", f"{self.model!r} is not one of models{near}"
