"""What a command says while the client waits before it asks again."""

from typing import Final

from perdure.client import Wait, errors

#: Told once somebody has to wait.
SILENCE: Final = "(the gateway does not answer; trying again)"
#: The same where the gateway says why.
NO_WORKER: Final = "(no worker is running; your message is kept, and goes out as soon as one is back)"
_TOO_MANY: Final = {
    "rate_limited": "too many requests",
    "too_many_streams": "too many event streams are open",
    "too_many_turns": "too many sessions are at work",
}


def too_many(wait: Wait) -> str | None:
    """What to say where there was too much at once."""
    if not isinstance(wait.error, errors.TooMany):
        return None
    return f"({_TOO_MANY.get(wait.error.code, 'too much at once')}; trying again in {wait.seconds:.0f} s)"


def away(wait: Wait) -> str | None:
    """What to say where nobody answers for the second time: a connection that broke once is simply taken up again."""
    if wait.failures != 2 or isinstance(wait.error, errors.TooMany):
        return None
    return NO_WORKER if wait.error.code == "no_worker" else SILENCE
