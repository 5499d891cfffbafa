"""AI agent sessions that never die: each one a Temporal workflow.

The rooms (`workflows`, `activities`, `gateway`, `temporal`) stand at the top level of the repository. Tools may import
`ToolContext` from here, tests the test kit from `perdure.testing`, and programs that talk to sessions the client from
`perdure.client`; everything else is reached by the `perdure` command, by HTTP and by YAML.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perdure.workflows.vocabulary.tool_context import ToolContext

__all__ = ["ToolContext"]


def __getattr__(name: str) -> object:
    # Imported when first named, for each command imports this module before it does anything.
    if name == "ToolContext":
        from perdure.workflows.vocabulary.tool_context import ToolContext

        return ToolContext
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
