"""Streams: what a session does, as its viewers see it."""
