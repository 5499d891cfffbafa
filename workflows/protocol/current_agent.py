"""What a session has to know before a turn that begins without a message: the agent's definition, and its purses."""

from pydantic import Field

from perdure.workflows.protocol.purses import Scope
from perdure.workflows.vocabulary.parts import Frozen, absent


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
