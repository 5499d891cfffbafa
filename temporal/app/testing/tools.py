"""Tools replaced by name. Bad arguments still never reach them, and what they return travels as a real tool's does."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio import activity

from perdure.activities.tools.catalogue import Catalogue, UnknownTool
from perdure.temporal.stores.blobs import BlobStore


@dataclass
class StandIn:
    """What is called in a tool's place."""

    answer: Callable[..., Any]
    #: The arguments of every call, oldest first; attempts count.
    calls: list[dict[str, Any]] = field(default_factory=list)
    #: On whose behalf each of them was made, for a tool that asks for it.
    contexts: list[Any] = field(default_factory=list)

    async def call(self, arguments: dict[str, Any], context: str | None) -> Any:
        """`context` names the argument that is the tool's context; `answer` is given it if it has such a parameter."""
        given = dict(arguments)
        if context is not None:
            self.contexts.append(arguments.pop(context))
            if not _takes(self.answer, context):
                given = arguments
        self.calls.append(arguments)
        value = self.answer(**given)
        return await value if inspect.isawaitable(value) else value


class StandIns:
    """Those of one test, over the tools of `catalogue`."""

    def __init__(self, catalogue: Catalogue, blobs: BlobStore) -> None:
        self._catalogue = catalogue
        self._blobs = blobs
        self._activities: dict[str, Callable[..., Any]] = {}

    def put(self, name: str, answer: Callable[..., Any]) -> StandIn:
        """Calls of `name` go to `answer` from now on. Raises `UnknownTool`."""
        tool = self._catalogue.tool(name)
        if tool is None:
            known = ", ".join(self._catalogue.names)
            raise UnknownTool(f"there is no tool {name!r} to replace; there are: {known}")
        stand_in = StandIn(answer)
        context = tool.arguments.context

        @activity.defn(name=name)
        async def called(**arguments: Any) -> Any:
            return await stand_in.call(arguments, context.name if context is not None else None)

        self._activities[name] = replace(tool, fn=called).activity(self._blobs, asyncio.get_running_loop())
        return stand_in

    def of(self, name: str) -> Callable[..., Any] | None:
        """The activity that stands in for the tool `name`, if one does."""
        return self._activities.get(name)


def _takes(answer: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(answer).parameters
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
