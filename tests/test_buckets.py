"""Token buckets beside a plain reference: in no stretch of time do more requests pass than the rate and the burst allow."""

from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.temporal.sessions.limits.bucket import Bucket, Rate, Scope, Standing, judge, level
from perdure.temporal.sessions.limits.memory_buckets import MemoryBuckets

#: Rates and times that binary fractions hold exactly, so that a reference without rounding agrees to the letter.
RATES = st.builds(Rate, st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0]), st.integers(1, 4))
#: Eighths of a second from one request to the next, and whose it is.
SCHEDULES = st.lists(st.tuples(st.integers(0, 24), st.sampled_from("abc")), max_size=60)


@dataclass
class Passed:
    """The reference of one limit: the times of all that passed."""

    rate: Rate
    times: list[Fraction] = field(default_factory=list)

    def admits(self, now: Fraction) -> bool:
        together = [*self.times, now]
        return all(
            len(together) - place <= self.rate.most + (now - begin) * Fraction(self.rate.per_s)
            for place, begin in enumerate(together)
        )


@given(RATES, RATES, SCHEDULES)
def test_buckets_let_through_what_the_reference_does(user: Rate, tenant: Rate, schedule: list[tuple[int, str]]) -> None:
    now = Fraction(0)
    buckets = MemoryBuckets(clock=lambda: float(now))
    all_of_them = Passed(tenant)
    each = {name: Passed(user) for name in "abc"}
    for wait, name in schedule:
        now += Fraction(wait, 8)
        wanted = all_of_them.admits(now) and each[name].admits(now)
        verdict = buckets.take([("user", name, user), ("tenant", "all", tenant)])
        assert (verdict.refused is None) == wanted
        if wanted:
            all_of_them.times.append(now)
            each[name].times.append(now)
        else:
            refused = verdict.refused
            assert refused is not None
            # What is told is right: it passes then, and not a moment before.
            then = now + Fraction(refused.next_in_s)
            limit = all_of_them if refused.scope == "tenant" else each[name]
            assert limit.admits(then)
            assert not limit.admits(then - Fraction(1, 1000))


@given(RATES, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e9), st.floats(-1e3, 1e6))
@settings(max_examples=50)
def test_a_bucket_is_never_over_full_and_never_loses_by_itself(
    rate: Rate, tokens: float, more: float, at: float, later: float
) -> None:
    bucket = Bucket(min(tokens, rate.most), at)
    found = level(bucket, rate, at + later)
    assert bucket.tokens <= found <= rate.most
    assert level(bucket, rate, at + later + more) >= found


def test_a_refused_request_takes_nothing_of_any_limit() -> None:
    buckets = MemoryBuckets(clock=lambda: 0.0)
    user, tenant = Rate(0.5, 2), Rate(1.0, 3)
    asked: list[tuple[Scope, str, Rate]] = [("user", "ann", user), ("tenant", "acme", tenant)]
    assert buckets.take(asked).refused is None
    for _ in range(10):
        refused = buckets.take(asked).refused
        assert refused is not None
        assert (refused.scope, refused.next_in_s) == ("user", 2.0)
    others = [buckets.take([("user", name, user), ("tenant", "acme", tenant)]).refused for name in ("bob", "cy", "dee")]
    assert [one.scope if one else None for one in others] == [None, None, "tenant"]


def test_what_is_kept_has_a_bound_and_the_longest_silent_is_forgotten() -> None:
    buckets = MemoryBuckets(kept=2, clock=lambda: 0.0)
    once = Rate(0.001, 1)

    def passes(name: str) -> bool:
        return buckets.take([("user", name, once)]).refused is None

    assert [passes(name) for name in ("ann", "bob", "ann", "cy")] == [True, True, False, True]
    assert not passes("cy")
    assert passes("ann")


@pytest.mark.parametrize(
    ("rate", "most", "of_four"), [(Rate(50, 10), 500, 125), (Rate(0.1, 10), 1, 1), (Rate(0.25, 10), 3, 1)]
)
def test_a_gateway_alone_has_its_part_of_a_rate(rate: Rate, most: int, of_four: int) -> None:
    assert (rate.most, rate.shared_by(4).most, rate.shared_by(1)) == (most, of_four, rate)


def test_what_is_told_is_whole() -> None:
    verdict = judge([Standing("user", Rate(2, 5), 3.5), Standing("tenant", Rate(10, 10), 100)])
    assert [(one.remaining, one.full_in_s) for one in verdict.standings] == [(2, 4), (99, 1)]
