"""How long `perdure chat` waits before it asks again, and what it says meanwhile."""

import time
from typing import Final

import httpx2

#: Told once somebody has to wait.
SILENCE: Final = "(the gateway does not answer; trying again)"
#: The same where the gateway says why.
NO_WORKER: Final = "(no worker is running; your message is kept, and goes out as soon as one is back)"
_WAITS_S: Final = (0.3, 0.5, 1.0, 2.0)
#: Longer than a limit of requests ever says; whoever told more is asked all the same.
_MOST_S: Final = 60
_TOO_MANY: Final = {
    "rate_limited": "too many requests",
    "too_many_streams": "too many event streams are open",
    "too_many_turns": "too many sessions are at work",
}


def pause(failures: int) -> None:
    """Waits before what failed so often is tried again."""
    time.sleep(_WAITS_S[min(failures, len(_WAITS_S) - 1)])


def told_to_wait(answer: httpx2.Response) -> tuple[str, float] | None:
    """What to say, and the seconds to wait, where the answer refuses one request too many. It must have been read."""
    if answer.status_code != 429:
        return None
    try:
        seconds = min(float(answer.headers["retry-after"]), _MOST_S)
        code = answer.json()["code"]
    except (KeyError, ValueError, TypeError):
        return None
    return f"({_TOO_MANY.get(code, 'too much at once')}; trying again in {seconds:.0f} s)", max(seconds, _WAITS_S[0])


def why_of(answer: httpx2.Response) -> str:
    """What to say of an answer that does not take the request for now. It must have been read."""
    try:
        return NO_WORKER if answer.json()["code"] == "no_worker" else SILENCE
    except (KeyError, ValueError, TypeError):
        # Of a proxy.
        return SILENCE
