"""The processes that are measured, and how the bench talks to them."""
