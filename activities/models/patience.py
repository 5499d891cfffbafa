"""Whether a model call that failed is tried again, and after what wait.

Rule 1: where another model can go on with the step, nobody waits for this one: a few quick attempts, and no attempt that is
paid for more than twice.
Rule 2: without another model, Temporal's retry policy decides, and what the provider asks to wait is obeyed.
Rule 3: an attempt that broke off in mid-answer was paid for. A fault in what the server writes comes again, so it is tried
once more, and so does a response without any answer; a lost connection does not, and gets a few attempts.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from perdure.activities.models.failures import ModelFailure
from perdure.workflows.vocabulary import errors

#: Of one model, where another one can go on.
QUICK_ATTEMPTS: Final = 3
#: A model that asks for a longer wait is not waited for where another one can go on.
LONGEST_QUICK_WAIT: Final = timedelta(seconds=1)
_FIRST_QUICK_WAIT: Final = timedelta(milliseconds=100)
#: Attempts that may break off in mid-answer, and where another model can go on.
_MOST_BROKEN: Final = 4
_MOST_BROKEN_QUICK: Final = 2
#: Seconds that a provider may take to begin its answer where another model can go on, and the tokens of input a second that
#: it may take longer for.
_BEGIN_S: Final = 10.0
_READ_PACE: Final = 5_000
#: Each of these attempts takes long, or nothing is sent at all.
_NEVER_QUICK: Final = frozenset([errors.MODEL_TIMEOUT, errors.MODEL_UNAVAILABLE])


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt follows after `wait`; None: when the retry policy says so."""

    wait: timedelta | None = None


def again(failure: ModelFailure, attempt: int, broken: int, *, has_next: bool) -> Again | None:
    """None: no attempt follows `attempt`, counted from 1. `broken` attempts, this one included, broke off in mid-answer.
    `has_next`: another model can go on with the step."""
    most_broken = _MOST_BROKEN if failure.most_broken is None else failure.most_broken
    if failure.is_final(attempt) or broken >= most_broken:
        return None
    if not has_next:
        return Again(failure.retry_after)
    wait = failure.retry_after or _FIRST_QUICK_WAIT * 2 ** (attempt - 1)
    hopeless = failure.kind in _NEVER_QUICK or wait > LONGEST_QUICK_WAIT
    if hopeless or attempt >= QUICK_ATTEMPTS or broken >= _MOST_BROKEN_QUICK:
        return None
    return Again(wait)


def begins_within(input_tokens: int) -> float:
    """Seconds in which a provider has to begin its answer to a request of `input_tokens` where another model can go on."""
    return _BEGIN_S + input_tokens / _READ_PACE
