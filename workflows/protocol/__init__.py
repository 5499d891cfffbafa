"""What crosses the wall of a workflow: signals, queries, and the typed stubs of activities."""
