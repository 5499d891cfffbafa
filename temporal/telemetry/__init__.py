"""Logs, metrics, traces, and what is cut out of all three."""
