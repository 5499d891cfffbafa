"""Why a bench run cannot go on."""

from perdure.temporal.user_error import UserError


class BenchFailed(UserError):
    """Something that is measured did not do what it should; the message is for people."""
