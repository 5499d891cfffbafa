"""The tools of a worker: those that ship with Perdure, and the user's.

Rule 1: a user's tool replaces a shipped one of its name, as agents do. Two of one name among the user's own are an error.
Rule 2: the shipped agent `support` gives refunds at its shipped desk only. It does not serve where one of the desk's tools is
the user's, so that nobody talks a demonstration into moving real money.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from temporalio import activity

from perdure.activities.shipped import builtin_tools, order_desk, other_sessions
from perdure.activities.tools.catalogue import Catalogue, load_tools


def load_catalogue(tools: Sequence[str]) -> Catalogue:
    """The shipped tools and those of the modules or files named. Raises `ToolLoadError`."""
    own = {id(function): function for source in _once(tools) for function in load_tools(source)}
    taken = {_name(function) for function in own.values()}
    ours = _shipped_tools(builtin_tools, other_sessions, order_desk)
    shipped = [function for function in ours if _name(function) not in taken]
    return Catalogue([*shipped, *own.values()])


def replaced_at_the_desk(catalogue: Catalogue) -> tuple[str, ...]:
    """The tools of the shipped order desk in whose place the user has others."""
    desk = Catalogue(_shipped_tools(order_desk)).sources
    return tuple(name for name, source in desk.items() if catalogue.sources.get(name) != source)


def _shipped_tools(*modules: ModuleType) -> list[Callable[..., Any]]:
    return [
        value
        for module in modules
        for value in vars(module).values()
        if callable(value) and activity._Definition.from_callable(value) is not None
    ]


def _name(tool: Callable[..., Any]) -> str:
    return activity._Definition.must_from_callable(tool).name or ""


def _once(sources: Sequence[str]) -> list[str]:
    """The same file named twice counts once."""
    seen: dict[str, str] = {}
    for source in sources:
        seen.setdefault(str(Path(source).resolve()) if source.endswith(".py") else source, source)
    return list(seen.values())
