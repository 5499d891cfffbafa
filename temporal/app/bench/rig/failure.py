"""The error that ends a bench run."""


class BenchFailed(Exception):
    """Something under test did not behave as required; the message is for people."""
