"""The error that ends a bench run."""

from perdure.temporal.user_error import UserError


class BenchFailed(UserError):
    """Something under test did not behave as required; the message is for people."""
