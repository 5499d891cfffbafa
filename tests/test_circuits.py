import pytest

from perdure.activities.models.circuits import FAILURES, FIRST_S, LONGEST_S, PROBED_S, PROVIDERS_SIDE, Circuit
from perdure.workflows.vocabulary import errors

BUSY = errors.MODEL_OVERLOADED


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def least(low: float, high: float) -> float:
    return low


def middle(low: float, high: float) -> float:
    return (low + high) / 2


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[bool]:
    return []


@pytest.fixture
def circuit(clock: Clock, told: list[bool]) -> Circuit:
    return Circuit(told.append, clock, middle)


def broken(circuit: Circuit, times: int = FAILURES) -> None:
    for number in range(times):
        assert circuit.admit() is None
        circuit.failed(BUSY, f"step {number % 2}")


def test_it_opens_after_failures_in_a_row(circuit: Circuit, told: list[bool]) -> None:
    broken(circuit, FAILURES - 1)
    assert not circuit.is_open
    broken(circuit, 1)
    assert circuit.is_open
    assert circuit.admit() == pytest.approx(FIRST_S)
    assert told == [True]


def test_an_answer_in_between_begins_the_row_anew(circuit: Circuit) -> None:
    broken(circuit, FAILURES - 1)
    circuit.answered()
    broken(circuit, FAILURES - 1)
    assert not circuit.is_open


def test_one_step_alone_opens_nothing(circuit: Circuit) -> None:
    for _ in range(3 * FAILURES):
        circuit.failed(BUSY, "step")
    assert not circuit.is_open


def test_failures_that_lie_far_apart_are_no_row(circuit: Circuit, clock: Clock) -> None:
    for number in range(3 * FAILURES):
        circuit.failed(BUSY, f"step {number}")
        clock.now += 20
    assert not circuit.is_open


@pytest.mark.parametrize(
    "kind",
    [
        errors.MODEL_INVALID_REQUEST,
        errors.MODEL_CONTEXT_LENGTH,
        errors.MODEL_AUTH,
        errors.MODEL_QUOTA,
        errors.MODEL_RATE_LIMITED,
        errors.MODEL_UNEXPECTED,
    ],
)
def test_what_says_nothing_of_the_provider_opens_nothing(circuit: Circuit, kind: str) -> None:
    assert kind not in PROVIDERS_SIDE
    for number in range(3 * FAILURES):
        circuit.failed(kind, f"step {number}")
    assert not circuit.is_open


def test_one_call_probes_and_its_answer_closes_it(circuit: Circuit, clock: Clock, told: list[bool]) -> None:
    broken(circuit)
    clock.now += FIRST_S
    assert circuit.admit() is None
    assert circuit.admit() == pytest.approx(PROBED_S * 1.1)
    circuit.answered()
    assert circuit.admit() is None
    assert circuit.admit() is None
    assert told == [True, False]


def test_a_probe_that_fails_opens_it_for_longer(circuit: Circuit, clock: Clock) -> None:
    broken(circuit)
    waits = []
    for _ in range(6):
        wait = circuit.admit()
        assert wait is not None
        waits.append(wait)
        clock.now += wait
        assert circuit.admit() is None
        circuit.failed(BUSY, "probe")
    assert waits == pytest.approx([FIRST_S, 10, 20, 40, LONGEST_S, LONGEST_S])


@pytest.mark.parametrize("end", ["left", "refused"])
def test_a_probe_that_tells_nothing_makes_room_for_the_next(circuit: Circuit, clock: Clock, end: str) -> None:
    broken(circuit)
    clock.now += FIRST_S
    assert circuit.admit() is None
    if end == "left":
        circuit.left()
    else:
        circuit.failed(errors.MODEL_AUTH, "probe")
    assert circuit.is_open
    assert circuit.admit() is None


def test_what_was_under_way_when_it_opened_does_not_prolong_it(circuit: Circuit) -> None:
    broken(circuit)
    wait = circuit.admit()
    circuit.failed(BUSY, "late")
    assert circuit.admit() == wait


def test_openings_are_spread(clock: Clock) -> None:
    early, late = Circuit(clock=clock, varied=least), Circuit(clock=clock, varied=middle)
    broken(early)
    broken(late)
    first, second = early.admit(), late.admit()
    assert first is not None
    assert second is not None
    assert first < second
