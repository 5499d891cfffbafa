"""The tools of a worker: those that ship with Perdure, and the user's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from temporalio import activity

from perdure.activities.shipped import builtin_tools, order_desk
from perdure.activities.tools.catalogue import Catalogue, load_tools


def load_catalogue(tools: Sequence[str]) -> Catalogue:
    """The shipped tools and those of the modules or files named. Raises `ToolLoadError`."""
    functions: dict[int, Callable[..., Any]] = {}
    for function in (*_shipped_tools(), *(tool for source in _once(tools) for tool in load_tools(source))):
        functions[id(function)] = function
    return Catalogue(functions.values())


def _shipped_tools() -> list[Callable[..., Any]]:
    return [
        value
        for module in (builtin_tools, order_desk)
        for value in vars(module).values()
        if callable(value) and activity._Definition.from_callable(value) is not None
    ]


def _once(sources: Sequence[str]) -> list[str]:
    """The same file named twice counts once."""
    seen: dict[str, str] = {}
    for source in sources:
        seen.setdefault(str(Path(source).resolve()) if source.endswith(".py") else source, source)
    return list(seen.values())
