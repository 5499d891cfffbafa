"""What a session asks of people and apps, and who answers. Every model is frozen."""

import operator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, JsonValue

from perdure.workflows.vocabulary.parts import BlobRef, Frozen, absent

#: The name of whoever is on this machine where nobody is authenticated. No principal that is authenticated has it.
LOCAL: Final = "local"
#: What the names of those begin with who are no users; and what marks a user whose name begins so.
_NOT_USERS: Final = ("key:", "session:", "user:")


def subject_of(user: str) -> str:
    """The subject as which an authenticated user of this name answers: taken neither for whoever is on this machine nor for
    a key or a token."""
    return f"user:{user}" if user == LOCAL or user.startswith(_NOT_USERS) else user


class By(Frozen):
    """Who answered, as the gateway knows it; what a caller says of itself is not asked."""

    #: `local`: there is no authentication, and it came from this machine.
    subject: str
    scopes: tuple[str, ...] = ()


def _read_by(value: Any) -> Any:
    """Earlier versions wrote the user alone."""
    return {"subject": value} if isinstance(value, str) else value


Answerer = Annotated[By, BeforeValidator(_read_by)]


class Binding(Frozen):
    """What an approval counts for; see `workflows/core/binding.py`."""

    #: sha256 of what the tool says of itself.
    spec: str
    #: sha256 of what the definition says of it.
    policy: str


#: What may be made of an approval for the rest of the session: nothing, or only for the same arguments.
Remember = Literal["never", "same_args"]
#: Why a call is asked about that would not be: the tool is another one than was allowed.
Again = Literal["tool_changed"]
#: What a question is about: a tool call, a budget, a handler's block, what an MCP server wants to know, or a rewind.
Subject = Literal["call", "budget", "handler", "server", "rewind"]
#: What answers an input question: a client tool's result; the values of a form that the call describes; what became of a call
#: that was lost; what the question's own schema says.
Form = Literal["result", "fields", "outcome", "schema"]


#: Whose cap it is. Those of users and tenants are kept in purses (`workflows/ledger.py`).
Scope = Literal["turn", "session", "user", "tenant"]


class Shortfall(Frozen):
    """What the next step needs does not fit below a cap."""

    scope: Scope
    #: The name of the limit: `cost_usd`, `tokens`, `tool_calls`, `working_time` (in seconds); of a purse with its period, as
    #: in `day.cost_usd`; `provider`: the provider's own quota, of which no numbers are known.
    limit: str
    #: Each in the unit of the limit. `spent` counts what is set aside for others.
    cap: float | None = None
    spent: float = 0
    needs: float = 0
    #: Dollars; None where a price is unknown.
    spent_usd: float | None = None
    needs_usd: float | None = None
    #: The provider's own words.
    words: str | None = Field(default=None, exclude_if=absent)
    #: Of a turn: the handler whose own limit it is.
    handler: str | None = Field(default=None, exclude_if=absent)


class Question(Frozen):
    """What a session waits for from outside. It is answered by `question_id`, once."""

    question_id: str
    kind: Literal["approval", "input", "budget"]
    subject: Subject = "call"
    #: Of an input question.
    form: Form | None = Field(default=None, exclude_if=absent)
    call_id: str | None = None
    name: str | None = None
    args: dict[str, JsonValue] | None = None
    prompt: str | None = None
    #: JSON Schema of the answer where the question has one of its own; None: that of the tool's result.
    output: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)
    #: When it is answered by itself; None: never.
    expires_at: datetime | None = None
    #: Holds the call's part where its arguments are too long to travel; `args` are empty then.
    blob: BlobRef | None = Field(default=None, exclude_if=absent)
    #: Of an approval: why it is asked again, what of it can be remembered, and what it is bound to.
    reason: Again | None = Field(default=None, exclude_if=absent)
    remember: Remember | None = Field(default=None, exclude_if=absent)
    bound: Binding | None = Field(default=None, exclude_if=absent)
    #: Whoever answers has to hold one of these roles; none: nobody in particular has to.
    roles: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Of an approval: and one of each of these, besides; a rewind may take back calls of several tools.
    further_roles: tuple[tuple[str, ...], ...] = Field(default=(), exclude_if=operator.not_)
    #: Subjects who may not answer, for they asked for what it is about.
    not_by: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Of a budget question.
    budget: Shortfall | None = Field(default=None, exclude_if=absent)
