"""Errors that the command line tells in one line, and that no one else needs to know."""


class Refused(Exception):
    """What was asked for cannot be done; the message is for people."""


class ServerDied(Exception):
    """The embedded Temporal server ended by itself."""
