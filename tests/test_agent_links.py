"""Agents that refer to each other: what is refused, with its place, and what their digests cover."""

from pathlib import Path
from typing import Any

import pytest

from perdure.temporal.definitions.store import Definitions
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.core.limit_changes import SetAside
from perdure.workflows.core.spending import share
from perdure.workflows.core.sub_answer import answer_of, as_error
from perdure.workflows.definition.agent import Limits, SessionLimits, TurnLimits
from perdure.workflows.definition.tools import AgentTool
from perdure.workflows.protocol.signals import Parent
from perdure.workflows.vocabulary.ids import sub_session_id
from tests.support.core import Story, agent

LINES = """name: {name}
model: main
models: {{main: {{use: demo/x}}}}
instructions: {about}
tools: [{tools}]
"""


def write(folder: Path, name: str, *tools: str, about: str = "Hi.", more: str = "") -> None:
    (folder / f"{name}.yaml").write_text(LINES.format(name=name, about=about, tools=", ".join(tools)) + more)


def calls(name: str, **options: str) -> str:
    more = "".join(f", {option}: {value}" for option, value in options.items())
    return f"agent: {{name: {name}{more}}}"


def read(folder: Path) -> Definitions:
    return Definitions([folder], blobs=LocalBlobs(folder / "blobs"))


def problems(folder: Path) -> list[str]:
    return [str(problem).replace(f"{folder}/", "") for problem in read(folder).problems]


def test_an_unknown_agent_is_named_with_its_place_and_so_are_those_that_name_it(tmp_path: Path) -> None:
    write(tmp_path, "a", calls("b"))
    write(tmp_path, "b", calls("c"))
    write(tmp_path, "d")
    found = problems(tmp_path)
    assert [line.partition(" ")[0] for line in found] == ["b.yaml:5:17:", "a.yaml:5:17:"]
    assert "no agent is named 'c'; there are: a, d" in found[0]
    assert "tools[0].agent.name" in found[0]
    assert read(tmp_path).names() == ("d",)


@pytest.mark.parametrize(
    ("tools", "tree"),
    [
        ({"a": ["a"]}, "a → a"),
        ({"a": ["b"], "b": ["a"]}, "a → b → a"),
        ({"a": ["b"], "b": ["c"], "c": ["d"], "d": ["e"], "e": []}, "a → b → c → d → e"),
    ],
)
def test_a_tree_without_an_end_is_refused(tmp_path: Path, tools: dict[str, list[str]], tree: str) -> None:
    for name, others in tools.items():
        write(tmp_path, name, *map(calls, others))
    assert any(line.endswith(f"go deeper: {tree}") for line in problems(tmp_path))


def test_agents_may_hand_over_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, "a", calls("b", handoff="true"))
    write(tmp_path, "b", calls("a", handoff="true"))
    assert problems(tmp_path) == []


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", calls("a", handoff="true"))
    write(tmp_path, "b", calls("c"))
    write(tmp_path, "c", more="inputs: {message: {type: string}}\n")
    write(tmp_path, "d", calls("c", handoff="true", share="0.2"))
    found = "\n".join(problems(tmp_path))
    for words in ("hand over to itself", "has an input named 'message'", "share: does not count with handoff"):
        assert words in found


def test_a_change_of_the_other_changes_the_digest_of_those_who_come_to_it(tmp_path: Path) -> None:
    write(tmp_path, "a", calls("b"))
    write(tmp_path, "b", calls("c", handoff="true"))
    write(tmp_path, "c", calls("b", handoff="true"))
    write(tmp_path, "d")

    def digests() -> dict[str, str]:
        found = read(tmp_path)
        return {name: known.digest for name in found.names() if (known := found.current(name))}

    before = digests()
    write(tmp_path, "c", calls("b", handoff="true"), about="Hello.")
    after = digests()
    assert {name for name in before if before[name] != after[name]} == {"a", "b", "c"}


def test_a_tool_survives_the_way_through_a_history() -> None:
    tool = AgentTool(name="x", handoff=True)
    assert AgentTool.model_validate_json(tool.model_dump_json()) == tool


def test_ids_are_bounded_and_differ() -> None:
    assert sub_session_id("s", "t1.s1.c1") == "s~t1.s1.c1"
    long = {sub_session_id("s" * 200, f"t1.s1.c{number}") for number in range(10)}
    assert len(long) == 10
    assert {len(one) <= 200 for one in long} == {True}


def limited(turn: float | None, session: float | None, **new: Any) -> Story:
    limits = Limits(turn=TurnLimits(cost_usd=turn), session=SessionLimits(cost_usd=session))
    return Story.new(**new).loaded(agent(limits=limits))


@pytest.mark.parametrize(
    ("turn", "session", "left"),
    [(None, None, None), (1.0, None, 0.75), (None, 2.0, 1.75), (0.5, 2.0, 0.25), (0.25, None, 0.0)],
)
def test_a_share_is_of_what_the_caps_leave(turn: float | None, session: float | None, left: float | None) -> None:
    story = limited(turn, session).turn().called({"a": 1})
    assert share(story.state, 1)[0] == left
    if left is not None:
        story.note(SetAside(call_id="t1.s1.c1", usd=0.125))
        assert share(story.state, 0.5)[0] == pytest.approx(max(left - 0.125, 0) / 2)


def test_an_unknown_price_leaves_nothing_to_give() -> None:
    story = limited(1.0, None).turn()
    story.open()
    story.answered(cost=None)
    assert share(story.state, 1)[0] == 0


def test_what_a_sub_agent_spent_counts_as_its_callers() -> None:
    story = Story.new().loaded().turn().called({"a": 1}, {"a": 2})
    assert story.state.turn is not None
    before = story.state.turn.books.usage
    fields: dict[str, Any] = {"name": "add", "attempts": None, "duration_ms": 1}
    for number, cost in ((1, 0.5), (2, None)):
        call_id = f"t1.s1.c{number}"
        result = {"call_id": call_id, "name": "add", "output": 1}
        usage = {"input_tokens": 7}
        story.event("tool.finished", call_id=call_id, result=result, usage=usage, cost_usd=cost, **fields)
        known = number == 1
        assert story.state.turn.books.cost_usd == (0.75 if known else None)
        assert story.state.books.incomplete is not known
    assert story.state.turn.books.usage.input_tokens == before.input_tokens + 14
    assert story.state.books.known_usd == 0.75


def test_its_cap_holds_whatever_its_limits_are() -> None:
    parent = Parent(session_id="s", call_id="t1.s1.c1", depth=1, cap_usd=0.5)
    for own, most in ((None, 0.5), (0.25, 0.25), (2.0, 0.5)):
        assert limited(None, own, parent=parent).state.effective_limits.session.cost_usd == most


def test_what_it_says_at_its_end() -> None:
    story = Story.new().loaded()
    assert answer_of(story.state).reason == "closed"
    story.whole_turn(answer="hello")
    answer = answer_of(story.state)
    assert (answer.reason, answer.usage, answer.cost_usd) == ("done", story.state.books.usage, 0.25)
    stopped = answer.model_copy(update={"reason": "stopped"})
    assert [as_error(stopped, "x").type, as_error(stopped, "x", late=True).type] == ["stopped", "timeout"]
    assert as_error(stopped, "x").message.endswith("It had said: hello")
