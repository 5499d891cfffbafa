"""What events and the trace say of the handler's block that a step or a call belongs to."""

from typing import Literal

from perdure.workflows.vocabulary.parts import Frozen

#: How much of a block viewers are shown: nothing, its name while it runs, or all that it says, as a message of the
#: conversation.
Display = Literal["hidden", "name", "stream"]
BlockKind = Literal["respond", "generate", "choose", "call", "title"]


class Block(Frozen):
    """A block of a handler."""

    #: Its name in the definition.
    handler: str
    #: What it does, as the definition says it.
    kind: BlockKind
    #: What people call it: the variable that its result goes to, or the tool that it calls.
    name: str
    #: Where it stands in the definition, as in `message[1].switch[0].do[0]`.
    at: str
    #: How much of it viewers are shown.
    display: Display
