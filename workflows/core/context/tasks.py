"""The user's first message of each branch, which is the task: a branch that is gone back to may have it sealed. Pure."""

from perdure.workflows.core.state.context import KEPT_TASKS, Context, Said, Task
from perdure.workflows.core.state.record import replace
from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary.parts import Message


def tasks_with(context: Context) -> tuple[Task, ...]:
    """The known tasks, with that of the branch that is left."""
    if context.task is None:
        return context.tasks
    number = context.path.number(context.task.position)
    left = Task(number=number, message=context.task.message)
    kept: tuple[Task, ...] = (left,)
    size = _held_by(left.message)
    for one in reversed(context.tasks):
        size += _held_by(one.message)
        if one.number != number and size <= KEPT_TASKS:
            kept = (one, *kept)
    return kept


def on_branch(context: Context, path: Path) -> Context:
    """`context` on another branch, with the task of that branch if it is known."""
    if context.task is not None:
        return replace(context, path=path)
    there = ((path.position(one.number), one.message) for one in context.tasks)
    found = [Said(position=position, message=message) for position, message in there if position is not None]
    return replace(context, path=path, task=min(found, key=lambda one: one.position, default=None))


def _held_by(message: Message) -> int:
    """Bytes of a state."""
    return len(message.model_dump_json().encode())
