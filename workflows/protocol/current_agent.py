"""What a session has to know of its agent: a definition by its digest; before a turn that begins without a message, which one
it has now, and the session's purses."""

from pydantic import Field

from perdure.workflows.protocol.purses import Scope
from perdure.workflows.vocabulary.parts import Frozen, absent


class LoadAgentInput(Frozen):
    name: str
    digest: str
    #: The turn that needs it, for traces.
    turn_id: str | None = Field(default=None, exclude_if=absent)


class CurrentAgentInput(Frozen):
    name: str
    #: The session's user; None also where whoever asked did not say.
    user: str | None = Field(default=None, exclude_if=absent)


class CurrentAgent(Frozen):
    """What a turn that nobody sent a message for has to know."""

    #: None: no agent of the name is known any more.
    digest: str | None
    #: Purses that have caps of their own, which the session has to ask.
    purses: tuple[Scope, ...]
