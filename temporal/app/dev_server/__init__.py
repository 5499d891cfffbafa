"""The embedded Temporal server and its Web UI."""
