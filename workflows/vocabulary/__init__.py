"""The words of a session: parts of messages, events, errors, ids, elicitation, durations."""
