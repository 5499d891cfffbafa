"""The state of a session, in records: one concern each."""
