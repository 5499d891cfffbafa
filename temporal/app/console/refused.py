"""Errors that the command line tells in one line, and that no one else needs to know."""

from perdure.temporal.user_error import UserError


class Refused(UserError):
    """What was asked for cannot be done; the message is for people."""


class ServerDied(UserError):
    """The embedded Temporal server ended by itself."""
