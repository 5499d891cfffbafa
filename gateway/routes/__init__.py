"""One file for each resource: its requests, and its answers."""
