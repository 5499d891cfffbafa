"""What no worker takes at the moment, in words."""

from collections.abc import Sequence


def missing_words(missing: Sequence[str]) -> str:
    match missing:
        case []:
            return "(a worker is running again)"
        case ["sessions", *_]:
            return "(no worker is running; your message is kept, and answered as soon as one is back)"
        case ["models", *_]:
            return "(no worker calls models at the moment; your message is kept, and answered as soon as one does)"
        case _:
            return "(no worker runs tools at the moment; calls wait until one does)"
