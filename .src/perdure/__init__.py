"""AI agent sessions that never die: each one a Temporal workflow.

The rooms (`workflows`, `activities`, `gateway`, `temporal`) stand at the top level of the repository. Programs import the
test kit from `perdure.testing`; everything else is reached by the `perdure` command, by HTTP and by YAML.
"""
