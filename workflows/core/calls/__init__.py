"""Tool calls: one state machine each, by one table."""
