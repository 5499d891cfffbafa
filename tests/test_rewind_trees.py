"""Any order of rewinds, retries and goings back, against a tree of messages that is kept beside the session."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from perdure.workflows.vocabulary.parts import ToolCall, ToolError, ToolResult
from perdure.workflows.vocabulary.rewinds import TranscriptRewound
from tests.support.rewinding import Talk

pytestmark = pytest.mark.pure

ANSWERS = ["text", "text", "text", "tools", "tools", "cut", "fail"]
MOVES = ["say", "say", *ANSWERS, "stop", "edit", "again", "retry", "back", "yes", "no"]
Moves = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 30)), min_size=10, max_size=50)


class Tree:
    """What viewers of the events know: the messages of each branch."""

    def __init__(self) -> None:
        self.branches: dict[str, list[str]] = {"b1": []}
        self.current = "b1"
        self.seq = 0

    @property
    def said(self) -> list[str]:
        return self.branches[self.current]

    def follow(self, talk: Talk) -> None:
        for event in talk.events[self.seq :]:
            self.seq = event.seq
            match event.type:
                case "message.added":
                    self.said.append(event.message.id)
                case "step.finished" if event.message.parts:
                    self.said.append(event.message.id)
                case "tool.finished" if event.undoes is None:
                    self.said.append(event.call_id)
                case "transcript.rewound":
                    self.rewound(event)
                case _:
                    pass

    def rewound(self, event: TranscriptRewound) -> None:
        assert event.left == self.current
        kept = self.said[: event.kept]
        leaves = self.said[event.kept : event.kept + 1]
        if event.branch in self.branches:
            assert event.cause == "back"
            leaves = leaves or self.branches[event.branch][event.kept : event.kept + 1]
            assert self.branches[event.branch][: event.kept] == kept
        else:
            self.branches[event.branch] = kept
        assert leaves == [event.message_id]
        self.current = event.branch


def play(moves: list[tuple[str, int]]) -> None:
    def returns(name: str, args: dict[str, JsonValue]) -> JsonValue | ToolError:
        # One payment in three cannot be refunded.
        if name == "refund" and str(args.get("payment_id")).endswith("0"):
            return ToolError(type="closed", message="The till is closed.")
        return {"payment_id": f"P-{len(talk.ran) % 3}"} if name == "pay" else "ok"

    talk, tree, undone = Talk(returns), Tree(), Counter[str]()
    for number, (move, choice) in enumerate(moves):
        apply(talk, move, choice, number)
        tree.follow(talk)
        # It shows the branch that goes on, and the model is shown nothing else.
        assert talk.ids() == tree.said
        assert {line.branch: line.messages for line in talk.branches().branches} == {
            branch: len(said) for branch, said in tree.branches.items()
        }
        for effect in talk.open:
            if effect in talk.seen:
                shown = {message.id for message in talk.seen[effect]}
                assert shown <= {*tree.said, *(f"{one}.day" for one in tree.said), f"{effect}.nudge"}
        check_places(talk, tree)
    calls = [part.call_id for one in talk.messages() for part in one.parts if isinstance(part, ToolCall)]
    results = [part.call_id for one in talk.messages() for part in one.parts if isinstance(part, ToolResult)]
    turn = talk.state.turn
    waiting = [call.call_id for call in turn.calls] if turn and not turn.undoing else []
    assert Counter(calls) == Counter(results + waiting)
    for event in talk.events:
        if isinstance(event, TranscriptRewound):
            undone.update(one.call_id for one in event.undone)
    # A call is taken back once, whichever branches are gone to.
    assert not [call for call, times in undone.items() if times > 1]
    ran = Counter(key for _, key, _ in talk.ran)
    assert not [key for key, times in ran.items() if times > 1]
    assert [event.seq for event in talk.events] == list(range(1, len(talk.events) + 1))


def apply(talk: Talk, move: str, choice: int, number: int) -> None:
    said, state = talk.messages(), talk.state
    match move:
        case "say":
            talk.say(f"text {number}", f"m{number}")
        case "text" | "tools" | "cut" | "fail" if talk.asks():
            if move == "fail":
                talk.fails()
            elif move == "tools":
                calls: list[tuple[str, dict[str, JsonValue]]]
                calls = [("pay", {"amount": choice}), ("add", {"a": 1}), ("send", {}), ("look", {})]
                talk.answers("", tuple(calls[: 1 + choice % 4]))
            else:
                talk.answers(f"answer {number}", stop="max_tokens" if move == "cut" else "end")
        case "stop":
            talk.stop()
        case "edit" | "again":
            could = [one for one in said if (one.role == "user" and not one.own) or one.role == "assistant"]
            if could and state.rewinding is None:
                chosen = could[choice % len(could)]
                edits = move == "edit" and chosen.role == "user"
                options: dict[str, Any] = {} if choice % 3 else {"undo": bool(choice % 2)}
                talk.rewind(chosen.id, f"edited {number}" if edits else None, **options)
        case "retry" if state.ended is not None:
            talk.retry()
        case "back":
            others = [line.branch for line in talk.branches().branches if line.branch != state.branches.current]
            if others:
                talk.back(others[choice % len(others)])
        case "yes" | "no" if state.questions.open:
            talk.answer(move == "yes")
        case _:
            pass


def check_places(talk: Talk, tree: Tree) -> None:
    """Where branches part, as the tree has it."""
    expected: dict[int, set[str]] = {}
    for said in tree.branches.values():
        same = 0
        while same < min(len(said), len(tree.said)) and said[same] == tree.said[same]:
            same += 1
        if said[same : same + 1] != tree.said[same : same + 1]:
            expected.setdefault(same, set()).update(said[same : same + 1] or [""])
            expected[same].update(tree.said[same : same + 1] or [""])
    found = talk.branches().places
    assert {place.position: len(place.siblings) for place in found} == {
        position: len(siblings) for position, siblings in expected.items()
    }
    for place in found:
        assert place.siblings[place.current] == tree.current
        stand = [tree.branches[branch][place.position : place.position + 1] or [""] for branch in place.siblings]
        assert len({one for (one,) in stand}) == len(stand)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(Moves)
def test_any_order(moves: list[tuple[str, int]]) -> None:
    play(moves)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(Moves)
def test_thousands_of_orders(moves: list[tuple[str, int]]) -> None:
    play(moves)
