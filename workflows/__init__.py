"""Deterministic session logic: types, state, turns and the session workflow.

Nothing below this package reads a clock, the network, the environment or a random source, and nothing
imports an SDK other than `temporalio.workflow`. `import-linter` and ruff's banned APIs hold it to that.
"""
