"""The Temporal server: connecting, schedules, sticky queues."""
