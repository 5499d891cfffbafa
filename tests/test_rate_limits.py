"""Rate limits as providers' headers tell them, and how many refusals it takes to learn one."""

import heapq
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from perdure.activities.models.allowances import COLD, COLD_S, Allowance
from perdure.activities.models.rate_headers import Told, seconds_until, told

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("20ms", 0.02),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723),
        ("1d", 86400),
        ("7", 7),
        ("0.25", 0.25),
        ("2026-11-28T12:00:05Z", 5),
        ("2026-11-28T13:00:05.5+01:00", 5.5),
        (str(int(NOW) + 30), 30),
        (str((int(NOW) + 30) * 1000), 30),
        (format_datetime(datetime.fromtimestamp(NOW + 9, UTC), usegmt=True), 9),
        ("2026-11-28T11:00:00Z", 0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
    ],
)
def test_a_reset_in_each_of_its_forms(value: str, seconds: float | None) -> None:
    found = seconds_until(value, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-28T12:00:12Z",
            },
            Told(tokens=False, remaining=0, limit=50, resets_in=12),
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-limit": "40000",
                "anthropic-ratelimit-input-tokens-remaining": "39000",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-28T12:00:01Z",
            },
            Told(tokens=True, remaining=39000, limit=40000, resets_in=1),
        ),
        (
            {
                "x-ratelimit-limit-requests": "500",
                "x-ratelimit-remaining-requests": "499",
                "x-ratelimit-reset-requests": "120ms",
            },
            Told(tokens=False, remaining=499, limit=500, resets_in=0.12),
        ),
        (
            {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "3", "x-ratelimit-reset": str((int(NOW) + 2) * 1000)},
            Told(tokens=False, remaining=3, limit=20, resets_in=2),
        ),
        (
            {"x-ratelimit-limit-req-minute": "60", "x-ratelimit-remaining-req-minute": "59"},
            Told(tokens=False, remaining=59, limit=60, resets_in=60),
        ),
        (
            {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "7", "ratelimit-reset": "4"},
            Told(tokens=False, remaining=7, limit=100, resets_in=4),
        ),
    ],
)
def test_each_vendor_s_headers(headers: dict[str, str], expected: Told) -> None:
    (found,) = told(headers, NOW)
    assert (found.tokens, found.remaining, found.limit) == (expected.tokens, expected.remaining, expected.limit)
    assert found.resets_in == pytest.approx(expected.resets_in)


@pytest.mark.parametrize(
    "headers", [{}, {"retry-after": "1"}, {"x-ratelimit-remaining-requests": "?"}, {"x-ratelimit-remaining": "-1"}]
)
def test_headers_that_say_nothing(headers: dict[str, str]) -> None:
    assert told(headers, NOW) == ()


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def no_jitter(low: float, high: float) -> float:
    return low


def run(allowance: Allowance, clock: Clock, calls: int, most: int, *, tells: bool) -> tuple[int, float]:
    """`calls` at the same moment to a provider that takes `most` a second, on a clock of its own: the refusals, and the
    seconds that it took. `tells`: the provider's headers have its limit."""
    waiting = [(clock.now, number) for number in range(calls)]
    heapq.heapify(waiting)
    begun, refusals, window, taken = clock.now, 0, -1, 0
    while waiting:
        clock.now, number = heapq.heappop(waiting)
        wait = allowance.take()
        if wait is not None:
            heapq.heappush(waiting, (clock.now + max(wait, 0.001), number))
            continue
        if int(clock.now) != window:
            window, taken = int(clock.now), 0
        is_taken = taken < most
        taken += is_taken
        resets = f"{window + 1 - clock.now:.3f}"
        limits = {"limit": most, "remaining": max(most - taken, 0), "reset": resets}
        headers = {f"x-ratelimit-{name}-requests": str(value) for name, value in limits.items()} if tells else {}
        allowance.heard(headers, taken=is_taken)
        if not is_taken:
            refusals += 1
            allowance.refused(float(resets) if float(resets) > 0 else None)
            heapq.heappush(waiting, (clock.now + float(resets), number))
    return refusals, clock.now - begun


@pytest.mark.parametrize("most", [5, 20, 50])
def test_a_limit_that_is_told_is_kept(most: int) -> None:
    clock = Clock()
    refusals, seconds = run(Allowance(clock, no_jitter, lambda: NOW), clock, 200, most, tells=True)
    assert refusals == 0
    assert seconds <= 200 / most + 1


@pytest.mark.parametrize("most", [5, 20, 50])
def test_a_limit_that_is_only_felt_is_learnt_from_few_refusals(most: int) -> None:
    clock = Clock()
    refusals, seconds = run(Allowance(clock, no_jitter, lambda: NOW), clock, 200, most, tells=False)
    assert 0 < refusals <= 40
    assert seconds <= 4 * 200 / most


def test_before_the_first_answer_only_a_few_go_out() -> None:
    clock = Clock()
    allowance = Allowance(clock, no_jitter, lambda: NOW)
    went = [allowance.take() for _ in range(2 * COLD)]
    assert went.count(None) == COLD
    allowance.heard({}, taken=True)
    assert allowance.take() is None
    assert allowance.take() is None


def test_a_provider_that_is_slow_to_begin_holds_nobody_up_for_long() -> None:
    clock = Clock()
    allowance = Allowance(clock, no_jitter, lambda: NOW)
    for _ in range(COLD):
        assert allowance.take() is None
    assert allowance.take() is not None
    clock.now += COLD_S
    assert allowance.take() is None


def test_tokens_that_are_used_up_hold_back_too() -> None:
    clock = Clock()
    allowance = Allowance(clock, no_jitter, lambda: NOW)
    assert allowance.take() is None
    allowance.heard({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, taken=True)
    assert allowance.take() == pytest.approx(360)
    clock.now += 360
    assert allowance.take() is None


def test_a_refusal_holds_all_back_for_as_long_as_it_says() -> None:
    clock = Clock()
    allowance = Allowance(clock, no_jitter, lambda: NOW)
    assert allowance.take() is None
    allowance.heard({}, taken=False)
    allowance.refused(7)
    assert allowance.take() == pytest.approx(7)


def test_releases_are_spread() -> None:
    clock = Clock()
    late = Allowance(clock, lambda low, high: high, lambda: NOW)
    late.refused(7)
    wait = late.take()
    assert wait is not None
    assert 7 < wait <= 7.5
