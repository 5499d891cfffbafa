"""What a person types: the commands, their arguments and options, and how each error is told.

Rule: these modules import what a signature needs, and nothing heavy. `--help` and `--version` load no more. What a command
does is in `commands`, `processes` or `bench`, which it imports when it runs.
"""

from perdure.temporal.app.cli.entry import app, main

__all__ = ["app", "main"]
