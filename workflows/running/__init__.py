"""What carries the core out inside a workflow: activities, child sessions, timers, reporting."""
