"""The first message of a branch stays its task when the branch is gone back to, also once that message is sealed."""

import pytest

from perdure.workflows.core.context.pinned import pinned_before
from perdure.workflows.core.effects import SEAL
from perdure.workflows.core.fork import past
from perdure.workflows.core.outcomes import SealingEnded
from perdure.workflows.core.sealing import part_of
from perdure.workflows.core.state.context import KEPT_TASKS
from perdure.workflows.protocol.segment_blobs import sealed_as
from perdure.workflows.vocabulary.parts import Text
from tests.support.rewinding import Talk

pytestmark = pytest.mark.pure


def branched() -> Talk:
    """Two branches, `b1` and `b2`, each with a first message of its own; the second goes on."""
    made = Talk()
    made.say("Find the cheapest flight.", "m1")
    made.answers("Which day?")
    made.rewind("m1", "Find the shortest flight.")
    made.answers("Which airport?")
    return made


def lengthen(made: Talk, until: int) -> None:
    """The branch that goes on is talked on until the messages before `until` are sealed."""
    while made.state.transcript.base < until:
        made.say("word " * 2_000, f"long{made.state.transcript.total}")
        made.answers("fine")
        if SEAL in made.open:
            made.driver.settle(SealingEnded(sealed_as(part_of(made.state), made.state.log.segments)[0]))
            made.advance()


def tasks(made: Talk) -> list[tuple[int, str]]:
    return [
        (one.position, part.text)
        for one in pinned_before(made.state, made.state.transcript.count)
        for part in one.message.parts
        if isinstance(part, Text)
    ]


def test_the_task_of_a_sealed_branch_is_pinned_again() -> None:
    made = branched()
    lengthen(made, until=4)

    made.back("b1")
    assert tasks(made) == [(0, "Find the cheapest flight.")]
    made.back("b2")
    assert tasks(made) == [(0, "Find the shortest flight.")]

    made.say("And now?", "m9")
    made.answers("By train.")
    made.back("b1")
    assert tasks(made) == [(0, "Find the cheapest flight.")]


def test_branches_that_share_their_first_message_share_the_task() -> None:
    made = branched()
    made.say("On Monday", "m2")
    made.answers("From here?")
    made.rewind("m2", "On Friday")
    made.answers("From there?")
    lengthen(made, until=8)

    for branch, task in (("b1", "cheapest"), ("b2", "shortest"), ("b1", "cheapest"), ("b3", "shortest")):
        made.back(branch)
        assert tasks(made) == [(0, f"Find the {task} flight.")], branch


def test_a_fork_keeps_the_tasks_of_its_own_past_alone() -> None:
    made = branched()
    made.rewind(made.ids()[0], "Find any flight.")
    made.answers("Why?")

    forked = past(made.state, "t2", keep_turn=True)

    assert forked.context.task is not None
    assert forked.context.task.message.parts == (Text(text="Find the shortest flight."),)
    assert [one.number for one in forked.context.tasks] == [0, 2]


def test_tasks_are_kept_within_their_bytes_the_last_one_whatever_its_size() -> None:
    made = branched()
    for _ in range(5):
        made.rewind(made.ids()[0], "x" * (KEPT_TASKS // 3))
        made.answers("yes")
    assert [one.number for one in made.state.context.tasks] == [8, 10]

    made.rewind(made.ids()[0], "y" * 2 * KEPT_TASKS)
    made.answers("yes")
    made.rewind(made.ids()[0], "z")
    assert [one.number for one in made.state.context.tasks] == [14]
