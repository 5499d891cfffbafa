"""How often a failed model call is tried again, with another model ahead and without one."""

import json
from datetime import timedelta
from typing import Any

import pytest

from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ModelFailure, ProviderError, Source, StreamTruncated
from perdure.activities.models.patience import QUICK_ATTEMPTS, Again, again, begins_within
from perdure.workflows.definition.providers.anthropic import ANTHROPIC

SOURCE = Source.of(ANTHROPIC)


def failure(error: Exception) -> ModelFailure:
    return classify(error, SOURCE)


BUSY = failure(ProviderError("", status=529))
CUT = failure(StreamTruncated())
SLOW = failure(TimeoutError())
ODD = failure(KeyError("x"))
KEY = failure(ProviderError("", status=401))


def attempts(failed: ModelFailure, *, breaks: bool = False, has_next: bool = False) -> int:
    """Attempts that end so, of twelve at most; `breaks`: each in mid-answer."""
    for attempt in range(1, 12):
        if again(failed, attempt, attempt if breaks else 0, has_next=has_next) is None:
            return attempt
    return 12


@pytest.mark.parametrize(
    ("failed", "options", "expected"),
    [
        (KEY, {}, 1),
        (BUSY, {}, 12),
        (SLOW, {}, 12),
        # A fault of what the server writes is tried once more, a lost connection a few times.
        (ODD, {"breaks": True}, 2),
        (CUT, {"breaks": True}, 4),
        (BUSY, {"breaks": True}, 4),
        (BUSY, {"has_next": True}, QUICK_ATTEMPTS),
        (BUSY, {"has_next": True, "breaks": True}, 2),
        (SLOW, {"has_next": True}, 1),
        (KEY, {"has_next": True}, 1),
    ],
)
def test_how_many_attempts_there_are(failed: ModelFailure, options: dict[str, Any], expected: int) -> None:
    assert attempts(failed, **options) == expected


def test_what_is_not_json_is_tried_once_more() -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    assert attempts(failure(caught.value), breaks=True) == 2


@pytest.mark.parametrize(("wait", "quick"), [("0.5", Again(timedelta(seconds=0.5))), ("2", None)])
def test_a_wait_that_is_asked_for(wait: str, quick: Again | None) -> None:
    limited = failure(ProviderError("", status=429, headers={"retry-after": wait}))
    assert again(limited, 1, 0, has_next=True) == quick
    assert again(limited, 1, 0, has_next=False) == Again(timedelta(seconds=float(wait)))


def test_quick_attempts_take_less_than_a_second() -> None:
    waits = [again(BUSY, attempt, 0, has_next=True) for attempt in range(1, QUICK_ATTEMPTS)]
    assert sum(one.wait.total_seconds() for one in waits if one is not None and one.wait is not None) < 1


def test_a_long_prompt_gives_its_provider_longer_to_begin() -> None:
    assert begins_within(100) < 15 < begins_within(200_000)
