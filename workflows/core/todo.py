"""The tool by which an agent keeps its to-do list: each call gives the whole list anew. Pure."""

from collections.abc import Iterable
from typing import Final, get_args

from pydantic import JsonValue

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.draft import Draft
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.errors import INVALID_ARGUMENTS
from perdure.workflows.vocabulary.parts import ToolError, ToolSpec
from perdure.workflows.vocabulary.todo import TodoItem, TodoStatus, TodoUpdated

MAX_ITEMS: Final = 50
MAX_TEXT: Final = 200
MAX_ID: Final = 40
_STATUSES: Final[tuple[str, ...]] = get_args(TodoStatus)

TODO: Final = ToolSpec(
    name="todo",
    description="Keep your to-do list for this conversation; the user sees it. Use it for work of several steps: write the "
    "list first, and give it again with new statuses as you begin and finish each item. Each call gives the whole list. "
    "Without `items`, the list is returned as it is.",
    input={
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "maxItems": MAX_ITEMS,
                "description": "The whole list, in order; an empty one clears it",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": {
                            "type": "string",
                            "maxLength": MAX_ID,
                            "description": "Stays the same while the item is on the list; without it, a number",
                        },
                        "text": {"type": "string", "maxLength": MAX_TEXT, "description": "What to do, in a few words"},
                        "status": {"type": "string", "enum": [*_STATUSES], "description": "Default: pending"},
                    },
                    "required": ["text"],
                    "additionalProperties": False,
                },
            }
        },
        "additionalProperties": False,
    },
    output={
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"type": "object"}}},
        "required": ["items"],
    },
)


def keep(draft: Draft, call: Call) -> ToolOutput | ToolError:
    """Carries out a call of `todo`: the new list is in the state, and viewers are told of it where it is another one."""
    items = draft.state.todo.items
    if call.made.args or call.made.blob is not None:
        read = read_items(call.made.args)
        if isinstance(read, ToolError):
            return read
        if read != items:
            draft.add(TodoUpdated(**draft.stamp, items=read))
        items = read
    return ToolOutput(output={"items": [item.model_dump(mode="json") for item in items]}, attempt=None)


def restore(draft: Draft) -> None:
    """Tells viewers of the list of the branch that goes on from now on, where it is another one."""
    transcript, todo = draft.state.transcript, draft.state.todo
    items = todo.on(transcript.path, transcript.count)
    if items != todo.items:
        draft.add(TodoUpdated(**draft.stamp, items=items))


def read_items(args: dict[str, JsonValue]) -> tuple[TodoItem, ...] | ToolError:
    """The items that the arguments give, each with an id; or what is wrong with them."""
    unknown = sorted(args.keys() - {"items"})
    if unknown:
        return _wrong(f"{unknown[0]}: is not an argument of this tool; its only argument: items")
    given = args.get("items")
    if not isinstance(given, list):
        return _wrong("items: is a list of items, each with a text and a status")
    if len(given) > MAX_ITEMS:
        return _wrong(f"items: has {len(given)} items; at most {MAX_ITEMS} may be")
    taken = {str(one["id"]) for one in given if isinstance(one, dict) and one.get("id")}
    items: list[TodoItem] = []
    for place, one in enumerate(given):
        item = _read_item(one, f"items[{place}]", taken)
        if isinstance(item, ToolError):
            return item
        if item.id in (known.id for known in items):
            return _wrong(f"items[{place}].id: {item.id!r} is the id of another item, too")
        taken.add(item.id)
        items.append(item)
    return tuple(items)


def _read_item(given: JsonValue, place: str, taken: Iterable[str]) -> TodoItem | ToolError:
    if not isinstance(given, dict):
        return _wrong(f"{place}: is an object with a text and a status")
    unknown = sorted(given.keys() - {"id", "text", "status"})
    if unknown:
        return _wrong(f"{place}.{unknown[0]}: is not a field of an item; these are: id, text, status")
    text, made, status = given.get("text"), given.get("id"), given.get("status") or "pending"
    if not isinstance(text, str) or not text.strip():
        return _wrong(f"{place}.text: is required, a text")
    if len(text) > MAX_TEXT:
        return _wrong(f"{place}.text: has {len(text)} characters; at most {MAX_TEXT} may be")
    if status not in _STATUSES:
        return _wrong(f"{place}.status: is one of {', '.join(_STATUSES)}")
    if made in (None, ""):
        made = next(str(number) for number in range(1, 2 * MAX_ITEMS + 1) if str(number) not in taken)
    if isinstance(made, int) and not isinstance(made, bool):
        made = str(made)
    if not isinstance(made, str) or len(made) > MAX_ID:
        return _wrong(f"{place}.id: is a text of at most {MAX_ID} characters")
    return TodoItem.model_validate({"id": made, "text": " ".join(text.split()), "status": status})


def _wrong(message: str) -> ToolError:
    return ToolError(type=INVALID_ARGUMENTS, message=message)
