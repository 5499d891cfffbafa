"""An agent's to-do list in lines of text."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from perdure.temporal.app.console.terminal import one_line

_BOXES: Final = {"pending": "[ ]", "doing": "[>]", "done": "[x]"}


def todo_text(items: Iterable[Mapping[str, Any]]) -> str:
    """Several lines, the last one without a line break."""
    lines = [f"  {_BOXES[item['status']]} {one_line(item['text'], 200)}" for item in items]
    return "\n".join(["to do:", *lines]) if lines else "(nothing is left to do)"
