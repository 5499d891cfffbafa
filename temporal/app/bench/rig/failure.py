"""Why a bench run cannot go on."""


class BenchFailed(Exception):
    """Something that is measured did not do what it should; the message is for people."""
