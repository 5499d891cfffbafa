"""The tools that ship with Perdure."""
