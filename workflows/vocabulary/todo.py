"""The list of what an agent has to do, which it keeps by itself and viewers see."""

from typing import Literal

from perdure.workflows.vocabulary.event_base import EventBase
from perdure.workflows.vocabulary.parts import Frozen

TodoStatus = Literal["pending", "doing", "done"]


class TodoItem(Frozen):
    #: Stays the same while the item is on the list.
    id: str
    #: What is to be done.
    text: str
    #: How far it is.
    status: TodoStatus = "pending"


class TodoUpdated(EventBase):
    """The agent's to-do list is now this. After a rewind it comes again where the branch that goes on has another list."""

    type: Literal["todo.updated"] = "todo.updated"
    #: The whole list, in order.
    items: tuple[TodoItem, ...]
