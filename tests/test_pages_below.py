"""Sub-agents in the pages' view, under Node: frames from below, their questions, and their missing events."""

from typing import Any

import pytest

from tests.support.view_story import (
    REDUCE,
    USAGE,
    Event,
    Node,
    Story,
    open_node,
    session_snapshot,
    text,
    texts,
    tool_call,
    tool_result,
)

CHILD = "s~t1.s1.c1"
GRANDCHILD = f"{CHILD}~t1.s1.c1"
ASKED = {"question_id": "t1.s1.c1.approval", "call_id": "t1.s1.c1", "name": "book", "args": {"size": 3}}
#: The question as a viewer sees it.
SHOWN = ["t1.s1.c1.approval", "open", GRANDCHILD, ["helper", "writer"]]

BELOW = """
const view = input.reduce(reduce, emptyView());
const below = openBelow(view).map((one) => [one.question_id, one.state, one.session_id, one.agents]);
output({ view, below });
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def calling(name: str, session: str) -> Story:
    """A session whose first call another agent answers."""
    story = Story().opening().answer(tool_call("t1.s1.c1", name), stop="tool_calls")
    return story.fact("tool.started", call_id="t1.s1.c1", name=name, args={"message": "go"}, session_id=session)


def told(events: list[Event], session: str = CHILD) -> list[Event]:
    """The events that viewers of the session above receive."""
    return [{"type": "agent.event", "call_id": "t1.s1.c1", "session_id": session, "event": event} for event in events]


def asking() -> list[Event]:
    """A question is open two levels down."""
    writer = Story().opening().answer(tool_call("t1.s1.c1", "book"), stop="tool_calls")
    writer.fact("approval.requested", **ASKED)
    helper = calling("writer", GRANDCHILD).events + told(writer.events, GRANDCHILD)
    return calling("helper", CHILD).events + told(helper)


def tool_of(view: dict[str, Any]) -> dict[str, Any]:
    tool: dict[str, Any] = view["turns"][0]["tools"]["t1.s1.c1"]
    return tool


def test_its_words_and_calls_are_at_the_call_that_it_answers(node: Node) -> None:
    helper = Story().opening().delta(0, "I am ").delta(1, "counting")
    boss = calling("helper", CHILD)
    boss.events += told(helper.events)
    # Frames are repeated after a reconnect.
    boss.events += told(helper.events[:4])
    seen = node(REDUCE, boss.events)
    assert texts(tool_of(seen[-1])["agent"]) == ["Hello", "I am counting"]
    assert texts(seen[-1]) == ["Hello"]
    assert seen[-1]["seq"] == boss.seq


def test_what_it_spent_is_its_callers(node: Node) -> None:
    boss = calling("helper", CHILD)
    result = tool_result("t1.s1.c1", "helper", {"text": "Three.", "session_id": CHILD})
    spent = {"usage": USAGE, "cost_usd": 0.25}
    boss.fact("tool.finished", call_id="t1.s1.c1", name="helper", result=result, duration_ms=5, **spent)
    views = node(REDUCE, boss.events)
    assert (views[-1]["cost_usd"], views[-1]["usage"]["input_tokens"]) == (0.75, 20)
    assert (views[-1]["turns"][0]["cost_usd"], tool_of(views[-1])["cost_usd"]) == (0.75, 0.25)
    # The turn's own total includes it as well.
    assert node(REDUCE, boss.end(cost_usd=0.75).events)[-1]["cost_usd"] == 0.75


def test_a_question_two_levels_down_names_who_asks_and_where_it_is_answered(node: Node) -> None:
    seen = node(BELOW, asking())
    assert seen["below"] == [SHOWN]
    # It is not a question of this session.
    assert node("output(openQuestions(input.reduce(reduce, emptyView())));", asking()) == []
    helper = told([{"type": "tool.finished", "seq": 7, "turn_id": "t1", "call_id": "t1.s1.c1", "name": "writer",
                    "result": tool_result("t1.s1.c1", "writer", {"type": "stopped"}, is_error=True),
                    "at": "2026-01-01T00:00:09Z", "duration_ms": 1}])  # fmt: skip
    assert node(BELOW, asking() + helper)["below"] == []


def test_a_snapshot_tells_what_is_asked_below_until_it_is_answered(node: Node) -> None:
    calls = {"id": "a1", "role": "assistant", "parts": [tool_call("t1.s1.c1", "helper")], "turn_id": "t1", "at": None}
    open_below = [{"kind": "approval", **ASKED, "session_id": GRANDCHILD, "agents": ["helper", "writer"]}]
    whole = session_snapshot(9, calls, status="working", turn_id="t1", sub_questions=open_below)
    first = told([{"type": "step.started", "seq": 5, "turn_id": "t1", "step_id": "t1.s1", "model": "m", "at": None}])
    seen = node(BELOW, [whole, *first])
    assert seen["below"] == [["t1.s1.c1.approval", "open", GRANDCHILD, ["helper", "writer"]]]
    answer = {"type": "approval.resolved", "seq": 7, "turn_id": "t1", "question_id": "t1.s1.c1.approval",
              "call_id": "t1.s1.c1", "approved": True, "at": None}  # fmt: skip
    assert node(BELOW, [whole, *first, *told(told([answer], GRANDCHILD))])["below"] == []


CATCH_UP = """
const asked = [];
const answer = (body) => new Response(JSON.stringify(body), { status: 200 });
const encoder = new TextEncoder();
let feed;
const fetch = async (url) => {
  asked.push(url);
  if (!url.endsWith('/events')) return answer(input.snapshot);
  return new Response(new ReadableStream({ start: (controller) => (feed = controller) }));
};
const send = (event) => feed.enqueue(encoder.encode(`event: ${event.type}\\ndata: ${JSON.stringify(event)}\\n\\n`));
const client = new PerdureClient({ fetch });
const live = client.watch('s', {
  onState: ({ name }) => name === 'open' && input.events.forEach(send),
  onView: (view) => {
    const agent = view.turns[0]?.tools['t1.s1.c1']?.agent;
    if (agent?.seq !== input.until) return;
    live.close();
    feed.close();
    output({ asked, agent });
  },
});
"""


def test_what_is_missing_of_one_that_runs_is_read_from_its_snapshot(node: Node) -> None:
    """A late viewer gets only its last events; those that arrive while its snapshot is read wait."""
    helper = Story().opening().answer(tool_call("t1.s1.c1", "book"), stop="tool_calls")
    helper.fact("approval.requested", **ASKED)
    helper.fact("approval.resolved", question_id="t1.s1.c1.approval", call_id="t1.s1.c1", approved=True)
    user = {"id": "m1", "role": "user", "parts": [text("Hello")], "turn_id": "t1", "at": None}
    whole = session_snapshot(
        6, user, session_id=CHILD, status="waiting", turn_id="t1", questions=[{"kind": "approval", **ASKED}]
    )
    events = calling("helper", CHILD).events + told(helper.events[4:])
    seen = node(CATCH_UP, {"events": events, "snapshot": whole, "until": 7})
    assert seen["asked"] == ["/v1/sessions/s/events", "/v1/sessions/s~t1.s1.c1"]
    assert texts(seen["agent"]) == ["Hello"]
    assert [one["state"] for one in tool_of(seen["agent"])["questions"]] == ["approved"]


CLIENT_TOOL = """
const encoder = new TextEncoder();
const answer = (body) => new Response(JSON.stringify(body), { status: 200 });
const fetch = async (url, { method, body }) => {
  if (method === 'POST') process.stdout.write(JSON.stringify([url, JSON.parse(body)]), () => process.exit());
  if (!url.endsWith('/events')) return answer({ ...input.snapshot, session_id: url });
  const frames = input.events.map((event) => `event: ${event.type}\\ndata: ${JSON.stringify(event)}\\n\\n`).join('');
  return new Response(new ReadableStream({ start: (feed) => feed.enqueue(encoder.encode(frames)) }));
};
const client = new PerdureClient({ fetch });
const tools = { pick: async ({ size }, { sessionId }) => `${size} of ${sessionId}` };
client.watch('s', { tools, onView: () => {} });
"""


def test_an_app_answers_for_its_tools_at_the_session_that_asks(node: Node) -> None:
    question = {
        "question_id": "t1.s1.c1.input",
        "call_id": "t1.s1.c1",
        "form": "result",
        "name": "pick",
        "args": {"size": 3},
    }
    helper = Story().opening().answer(tool_call("t1.s1.c1", "pick"), stop="tool_calls")
    helper.fact("input.requested", **question)
    events = calling("helper", CHILD).events + told(helper.events)
    whole = session_snapshot(6, questions=[{"kind": "input", **question}])
    assert node(CLIENT_TOOL, {"events": events, "snapshot": whole}) == [
        f"/v1/sessions/{CHILD}/answers",
        {"question_id": "t1.s1.c1.input", "result": f"3 of {CHILD}"},
    ]
