"""How a signal reaches its handler: with exactly one command of the handler's type, or not at all.

The SDK drops a payload that it cannot decode, but calls the handler with no argument or with two where that is what
was sent; the error would fail the workflow task, which is retried for ever.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from temporalio import workflow

C = TypeVar("C")
S = TypeVar("S")


def command_only(handler: Callable[[S, C], None]) -> Callable[[S, C], None]:
    """`handler(self, command)`, called only where the signal holds one command of the annotated type."""
    kind: Any = get_type_hints(handler)["command"]

    @functools.wraps(handler)
    def checked(self: S, *args: Any) -> None:
        if len(args) == 1 and isinstance(args[0], kind):
            handler(self, args[0])
        else:
            workflow.logger.warning("a signal without its one command is dropped: %s", handler.__name__)

    return checked
