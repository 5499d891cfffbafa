"""The inspector's pure parts under Node: the axis that folds waits, spans, jumps, and what is new in a prompt."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.view_story import Node, open_node

SECOND = 1000
DAY = 24 * 3600 * SECOND


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    site: Path = tmp_path_factory.mktemp("site")
    return open_node(site)


AXIS = """
import { axisOf, marksOf, placeOf } from './pages/inspector/axis.js';
const axis = axisOf(input);
const length = input.length ?? axis.shown;
const places = input.moments.map((moment) => Math.round(placeOf(axis, moment, length) * 1000) / 1000);
output({ ...axis, places, marks: marksOf(axis, length).map(({ text, fold }) => (fold ? `[${text}]` : text)) });
"""


def bar(kind: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"segments": [{"kind": kind, "from": start, "to": end}], **more}


def test_a_wait_of_days_squeezes_nothing(node: Node) -> None:
    rows = [bar("stream", 0, 2000), bar("ask", 2000, 2000 + 3 * DAY), bar("call", 2000 + 3 * DAY, 4000 + 3 * DAY)]
    end = 4000 + 3 * DAY
    seen = node(AXIS, {"start": 0, "end": end, "rows": rows, "moments": [0, 1000, 2000, 2000 + 3 * DAY, end]})
    assert seen["folds"] == [{"from": 2000, "to": 2000 + 3 * DAY, "shown": 2000}]
    assert seen["shown"] == 4000
    assert seen["places"] == [0, 0.23, 0.46, 0.54, 1]
    assert seen["marks"] == ["0", "1.0 s", "[3 days]", "3.0 s"]


def test_short_waits_and_work_are_not_folded(node: Node) -> None:
    rows = [bar("first", 0, 9000), bar("stream", 9000, 10000), bar("call", 12000, 30000)]
    seen = node(AXIS, {"start": 0, "end": 30000, "rows": rows, "moments": [15000]})
    assert (seen["folds"], seen["places"]) == ([], [0.5])


def test_a_tool_that_asks_while_it_runs_is_folded_where_it_waits(node: Node) -> None:
    asking = bar("call running", 1000, 62000, waits=[{"from": 1500, "to": 61000}])
    rows = [bar("stream", 0, 1000), asking, bar("ask", 1500, 61000)]
    seen = node(AXIS, {"start": 0, "end": 62000, "rows": rows, "moments": [1500, 61000, 62000]})
    assert seen["folds"] == [{"from": 1500, "to": 61000, "shown": 1500}]
    assert seen["places"] == [0.552, 0.632, 1]


def test_turns_on_one_scale_keep_their_folds(node: Node) -> None:
    rows = [bar("stream", 0, 1000), bar("stream", 11000, 12000)]
    given = {"start": 0, "end": 12000, "rows": rows, "moments": [1000, 11000, 12000], "length": 4000}
    assert node(AXIS, given)["places"] == [0.23, 0.31, 0.54]


SPANS = """
import { rowsOf } from './pages/inspector/spans.js';
const heard = new Map(input.heard ?? []);
const { start, rows } = rowsOf(input.turn, { traced: new Map(), heard, now: Date.parse(input.now) });
output(rows.map(({ key, state, error, segments }) => ({
  key, state, error, segments: segments.map(({ from, to, kind }) => [kind, from - start, to - start]),
})));
"""


def turn(*, parts: list[Any], tools: dict[str, Any] | None = None) -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z"
    step = {"step_id": "t1.s1", "role": "assistant", "started_at": at, "live": True, "attempt": 1, "parts": parts}
    return {"id": "t1", "status": "running", "started_at": at, "messages": [step], "tools": tools or {}}


def test_a_step_waits_until_its_first_token_comes(node: Node) -> None:
    now = "2026-01-01T00:00:05Z"
    (silent,) = node(SPANS, {"turn": turn(parts=[]), "now": now})
    assert silent["segments"] == [["first running", 0, 5000]]
    # 2026-01-01T00:00:03Z
    writing = {"turn": turn(parts=[{"type": "text", "text": "a"}]), "now": now, "heard": [["t1.s1", 1767225603000]]}
    assert node(SPANS, writing)[0]["segments"] == [["first", 0, 3000], ["stream running", 3000, 5000]]


def test_a_failed_tool_says_why(node: Node) -> None:
    failed = {
        "state": "failed",
        "name": "find_order",
        "started_at": "2026-01-01T00:00:01Z",
        "duration_ms": 20,
        "result": {"is_error": True, "output": {"type": "not_found", "message": "There is no order 7."}},
    }
    given = {"turn": turn(parts=[], tools={"t1.s1.c1": failed}), "now": "2026-01-01T00:00:05Z"}
    row = next(row for row in node(SPANS, given) if row["key"] == "t1.s1.c1")
    assert (row["state"], row["error"]) == ("failed", "There is no order 7. (not_found)")


CHANGES = """
import { changesOf } from './pages/inspector/prompt_changes.js';
output(changesOf(...input));
"""


def step(system: str, *messages: tuple[str, str], tools: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    said = [{"id": name, "role": "user", "parts": [{"type": "text", "text": text}]} for name, text in messages]
    shown = [{"name": name, "description": words, "input": {}} for name, words in tools]
    return {
        "model": "demo/demo",
        "prompt": {"system": system, "examples": [], "messages": said, "tools": shown},
    }


def test_what_is_new_in_a_prompt(node: Node) -> None:
    before = step("Be kind.\nBe short.", ("m1", "a"), ("m2", "long"), ("m3", "c"), tools=(("add", "Adds."),))
    after = step(
        "Be kind.\nBe exact.",
        ("k1.summary", "In short"),
        ("m2", "cut"),
        ("m3", "c"),
        ("m4", "d"),
        tools=(("add", "Adds two."), ("sub", "Subtracts.")),
    )
    seen = node(CHANGES, [before, after])
    assert seen["system"] == [
        {"kind": "same", "text": "Be kind."},
        {"kind": "removed", "text": "Be short."},
        {"kind": "added", "text": "Be exact."},
    ]
    assert [message["id"] for message in seen["added"]] == ["k1.summary", "m4"]
    assert [message["id"] for message in seen["removed"]] == ["m1"]
    assert [one["message"]["id"] for one in seen["changed"]] == ["m2"]
    assert [tool["name"] for tool in seen["tools"]["added"]] == ["sub"]
    assert [tool["name"] for tool in seen["tools"]["changed"]] == ["add"]
    assert (seen["model"], seen["same"], seen["tools"]["same"]) == (None, 1, 0)


LINES = """
import { linesOf } from './pages/inspector/lines.js';
output(input.map(([before, now]) => linesOf(before, now)));
"""


def test_lines_lead_from_one_text_to_the_other(node: Node) -> None:
    texts = ["", "a", "a\nb", "b\na", "a\nb\nc\nd", "a\nx\nc\nd", "c\nd\na\nb", "\n\n", "a\n\nb"]
    pairs = [(one, other) for one in texts for other in texts]
    for (before, now), lines in zip(pairs, node(LINES, pairs), strict=True):
        kept = [line["text"] for line in lines if line["kind"] != "added"]
        made = [line["text"] for line in lines if line["kind"] != "removed"]
        assert ("\n".join(kept), "\n".join(made)) == (before, now)
        assert before != now or all(line["kind"] == "same" for line in lines)


JUMPS = """
import { dearest, failures, nextOf } from './pages/inspector/jumps.js';
const walk = [];
for (let at = null; walk.length < 4; ) {
  at = nextOf(failures(input.turns, input.steps), at)?.place;
  walk.push(at.callId ?? at.stepId ?? at.turnId);
}
output({ walk, dear: dearest(input.turns, input.steps).map(({ stepId }) => stepId), none: nextOf([], null) });
"""


def test_jumps_go_through_what_is_shown_and_what_is_not(node: Node) -> None:
    def told(number: int, cost: float | None, tools: list[Any]) -> dict[str, Any]:
        ids = {"step_id": f"t{number}.s1", "turn_id": f"t{number}"}
        return {**ids, "cost_usd": cost, "status": "finished", "stop": "end", "tools": tools}

    def shown(number: int, cost: float, **more: Any) -> dict[str, Any]:
        answer = {"role": "assistant", "step_id": f"t{number}.s1", "cost_usd": cost}
        return {"id": f"t{number}", "messages": [answer], "tools": {}, "reason": "done", **more}

    refused = {"call_id": "t1.s1.c1", "result": {"is_error": True, "output": {"type": "not_found"}}}
    stopped = {"call_id": "t2.s1.c1", "result": {"is_error": True, "output": {"type": "stopped"}}}
    steps = [told(1, 0.5, [refused]), told(2, None, [stopped]), told(3, 0.1, []), told(4, 0.2, [])]
    turns = [shown(3, 0.1, tools={"t3.s1.c1": {"state": "failed"}}), shown(4, 0.2, reason="failed")]
    seen = node(JUMPS, {"turns": turns, "steps": steps})
    assert seen["walk"] == ["t4.s1", "t3.s1.c1", "t1.s1.c1", "t4.s1"]
    assert seen["dear"] == ["t1.s1", "t4.s1", "t3.s1"]
    assert seen["none"] is None


MARKS = """
import { cacheMarks } from './pages/inspector/cache_marks.js';
output(input.map(cacheMarks));
"""


def test_marks_of_the_cache_are_found(node: Node) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    anthropic = {
        "tools": [{"name": "a"}, {"name": "b", **mark}],
        "system": [{"type": "text", "text": "Hi", **mark}],
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b", **mark}]},
        ],
    }
    bedrock = {"system": [{"text": "Hi"}, {"cachePoint": {"type": "default"}}], "messages": []}
    assert node(MARKS, [anthropic, bedrock, {"input": "text", **mark}, None, {"messages": "x"}]) == [
        ["tool 2 of 2", "block 1 of 1 of the system text", "message 2 of 2"],
        ["block 2 of 2 of the system text"],
        ["the whole request"],
        [],
        [],
    ]
