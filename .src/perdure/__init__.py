"""AI agent sessions that never die: each one a Temporal workflow.

The rooms (`workflows`, `activities`, `gateway`, `temporal`) stand at the top level of the repository. Tools may import
`ToolContext` from here, and tests the test kit from `perdure.testing`; everything else is reached by the `perdure`
command, by HTTP and by YAML.
"""

from perdure.workflows.vocabulary.tool_context import ToolContext

__all__ = ["ToolContext"]
