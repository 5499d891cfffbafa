"""The block that asks a person: `ask`."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from perdure.workflows.definition.tools.options import YEAR, Name, Schema
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen, absent


class AskPerson(Frozen):
    """A person is asked, and the answer goes to a variable. The turn ends meanwhile, so that the conversation is free, and
    another turn goes on with the handler. A question that is declined is the error `denied`."""

    kind: Literal["ask"] = "ask"
    prompt: str = Field(
        min_length=1,
        description="What the person is asked: a Jinja2 template over the inputs, the handler's variables, `session`, `user` "
        "and `turn`.",
    )
    form: Schema = Field(
        description="JSON Schema of the answer, with `type: object`. An answer that does not fit is refused, with the field "
        "that is wrong."
    )
    by: Annotated[tuple[Name, ...], Field(min_length=1, max_length=32)] | None = Field(
        default=None,
        exclude_if=absent,
        description="Roles, as in `[logistics]`: only who holds one of them may answer. Without it, whoever may answer "
        "questions.",
    )
    not_by: Literal["requester"] | None = Field(
        default=None,
        exclude_if=absent,
        description="`requester`: neither the session's user nor whoever asked the session for something may answer.",
    )
    expires: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=YEAR,
        exclude_if=absent,
        description="How long the question waits, as in `2h` or `7d`; then it is the error `expired`. Without it, until "
        "it is answered.",
    )
    into: Name = Field(description="The variable that the answer goes to.")
