"""The errors whose message is all that a person needs."""


class UserError(Exception):
    """Something that the person at the terminal can mend: the message says what is wrong, where, and what to do.

    The command line prints the message alone. Any other exception is a bug, and gets a trace.
    """
