"""A long session in the pages' client, under Node: it is opened at its end, and read back to its beginning."""

import asyncio
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from perdure.gateway.projections.snapshot_json import excerpt_json, said_json, snapshot_json
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.event_json import event_json
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.snapshot import message_page, whole_snapshot
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.core import answers
from perdure.workflows.core.receive import receive
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.protocol.signals import GiveFeedback
from perdure.workflows.vocabulary.parts import Text
from tests.support.core import AT, Story
from tests.support.view_story import Node, open_node

SESSION = "acme/s1"
LAST = 4

OPEN = """
const encoder = new TextEncoder();
const asked = [];
const fetch = async (url, { headers }) => {
  const after = Number(headers['Last-Event-ID'] ?? 0);
  if (!url.endsWith('/events')) return (asked.push(url), new Response(JSON.stringify(input.answers[url])));
  asked.push(`events after ${after}`);
  const frames = input.events.filter(({ seq }) => seq > after);
  const body = frames.map((event) => `event: ${event.type}\\ndata: ${JSON.stringify(event)}\\n\\n`).join('');
  return new Response(new ReadableStream({ start: (feed) => feed.enqueue(encoder.encode(body)) }));
};
let reading = false;
const live = new PerdureClient({ fetch }).watch('s1', {
  last: input.last,
  onView: async (view) => {
    if (view.seq < input.events.length || reading) return;
    reading = true;
    const opened = live.view;
    while (live.view.earlier?.before) await live.readEarlier();
    output({ opened, whole: live.view, asked });
    live.close();
    setTimeout(() => process.exit(), 50);
  },
});
"""


class Asked:
    def __init__(self, state: SessionState) -> None:
        self.state = state

    async def query(self, session: str, method: object, request: PageRequest) -> SnapshotPage:
        return answers.snapshot(self.state, session, request)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def opened(node: Node, state: SessionState, folder: Path, last: int | None = LAST) -> dict[str, Any]:
    """What a viewer sees of the session: `opened`, then `whole` once everything before is loaded."""
    backend, blobs = cast(Backend, Asked(state)), LocalBlobs(folder)
    sealed = Sealed(blobs)
    told: dict[str, Any] = {}

    async def every_answer() -> None:
        whole = await whole_snapshot(backend, blobs, sealed, SESSION, LAST)
        told[f"/v1/sessions/s1?messages={LAST}"] = snapshot_json(whole)
        for before in range(1, len(state.transcript.messages)):
            excerpt, messages = await message_page(backend, blobs, sealed, SESSION, before, LAST)
            body = {"messages": said_json(messages), **excerpt_json(excerpt)}
            told[f"/v1/sessions/s1/messages?before={before}&limit={LAST}"] = body

    asyncio.run(every_answer())
    given = {"last": last, "events": [event_json(event) for event in state.log.events], "answers": told}
    seen: dict[str, Any] = node(OPEN, orjson.loads(to_json(given)))
    return seen


def story(turns: int) -> Story:
    made = Story.new().loaded()
    for number in range(1, turns + 1):
        made.turn(f"question {number}").called({"a": number}).result(f"t{number}.s1.c1")
        made.open()
        made.answered(Text(text=f"answer {number}")).finished("done" if number % 2 else "max_steps")
    return made


def words(view: dict[str, Any]) -> list[str]:
    return [message["id"] for turn in view["turns"] for message in turn["messages"]]


def test_a_long_session_is_opened_at_its_end_and_read_back_to_its_beginning(node: Node, tmp_path: Path) -> None:
    state = story(9).state
    seen = opened(node, state, tmp_path)
    plain = opened(node, state, tmp_path, None)
    assert plain["asked"] == ["events after 0"]
    assert [turn["id"] for turn in seen["opened"]["turns"]] == ["t9"]
    # Whichever way it is read, turns are shown alike: with what each cost, how long it took, and how it ended.
    assert seen["whole"]["turns"] == plain["whole"]["turns"]
    assert {turn["reason"] for turn in seen["whole"]["turns"]} == {"done", "max_steps"}


def test_a_short_session_is_read_from_its_first_event(node: Node, tmp_path: Path) -> None:
    seen = opened(node, story(1).state, tmp_path)
    assert seen["asked"] == [f"/v1/sessions/s1?messages={LAST}", "events after 0"]


def given(made: Story, turn_id: str, score: float, text: str | None = None) -> None:
    command = GiveFeedback(id=f"f{made.state.log.seq}", turn_id=turn_id, score=score, text=text)
    made.take(receive(made.state, command, AT))


def test_feedback_is_there_wherever_its_event_and_its_turn_lie(node: Node, tmp_path: Path) -> None:
    made = story(9)
    given(made, "t1", -1, "No")
    given(made, "t2", 1)
    for number in range(10, 15):
        made.whole_turn(f"question {number}")
    given(made, "t2", 0)
    given(made, "t3", 1)
    seen = opened(node, made.state, tmp_path)
    scores = {turn: given["score"] for turn, given in seen["opened"]["feedback"].items()}
    assert scores == {"t1": -1, "t2": 0, "t3": 1}
    # Its words come with the events of that time.
    plain = opened(node, made.state, tmp_path, None)
    assert seen["whole"]["feedback"] == plain["whole"]["feedback"]
    assert plain["whole"]["feedback"]["t1"]["text"] == "No"


def test_turns_of_other_branches_are_not_shown(node: Node, tmp_path: Path) -> None:
    made = story(6)
    transcript = made.state.transcript
    third = next(number for number, message in enumerate(transcript.messages) if message.turn_id == "t3")
    made.state = replace(made.state, transcript=replace(transcript, path=transcript.path.cut(third, transcript.total)))
    for _ in range(3):
        made.whole_turn("again")
    seen = opened(node, made.state, tmp_path)
    shown = [turn["id"] for turn in seen["whole"]["turns"]]
    assert shown == ["t1", "t2", "t7", "t8", "t9"]
    assert words(seen["whole"])[:2] == ["m1", "t1.s1"]
