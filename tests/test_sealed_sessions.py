"""Sessions with sealed pasts over real HTTP and in Chromium: streams, snapshots, traces, forks, erasing, the pages."""

import re
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import expect

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.browsing import WAIT_MS, open_browser
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Frame, Sessions, frames_of, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

TURNS = 60
#: Most of what a turn weighs, so that a few turns are worth a segment.
PADDING = "lorem ipsum " * 150
#: Too long to travel, so it lies in a blob of its own.
LONG = "word " * 20_000


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_CONTINUE_AS_NEW_AFTER": "200",
    }


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    model = "{use: anthropic/claude-haiku-5-5, max_output_tokens: 1000, context_window: 9000}"
    return {"small.yaml": f"name: small\nmodels: {{main: {model}}}\nmodel: main\ninstructions: Answer."}


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def session(dev: Dev, provider: FakeProvider) -> str:
    """The id of a long session."""
    provider.reset()
    async with httpx2.AsyncClient(base_url=dev.url, timeout=PATIENCE_S) as client:
        sessions = Sessions(client)
        made = await sessions.create()
        for number in range(1, TURNS + 1):
            provider.script(Reply(text=f"answer {number} {PADDING}"))
            await sessions.ask(made, f"question {number} {LONG if number == 2 else PADDING}")
    return made


async def events(http: httpx2.AsyncClient, session: str, after: int | None, until: int) -> list[Frame]:
    """The events that a stream begins with, up to the one at `until`."""
    url = f"/v1/sessions/{session}/events" + ("" if after is None else f"?after={after}")
    async with http.stream("GET", url, timeout=PATIENCE_S) as response:
        found: list[Frame] = []
        if after == until:
            return found
        async for frame in frames_of(response):
            found.append(frame)
            if frame.seq == until:
                return found
    raise AssertionError("the stream ended early")


def sealed(dev: Dev, session: str) -> list[str]:
    return [path.name for path in (dev.data_dir / "blobs" / "default" / session).glob("*")]


def short(messages: list[dict[str, Any]]) -> list[str]:
    return [" ".join(text.split()[:2]) for _, text in texts(messages)]


SAID = [f"{what} {number}" for number in range(1, TURNS + 1) for what in ("question", "answer")]


async def test_a_stream_resumes_at_any_cursor(http: httpx2.AsyncClient, sessions: Sessions, session: str) -> None:
    seq = (await sessions.snapshot(session))["seq"]
    whole = await events(http, session, None, seq)
    assert [frame.seq for frame in whole] == list(range(1, seq + 1))
    assert [frame.data["type"] for frame in whole[:3]] == ["session.started", "turn.started", "message.added"]
    assert short([f.data["message"] for f in whole if "message" in f.data]) == SAID
    assert LONG.strip() in whole[7].data["message"]["parts"][0]["text"]
    for after in range(0, seq + 1, 9):
        assert await events(http, session, after, seq) == whole[after:]


async def test_the_transcript_is_shown_in_whole_and_a_page_at_a_time(
    http: httpx2.AsyncClient, sessions: Sessions, session: str, dev: Dev
) -> None:
    assert len(sealed(dev, session)) > 4
    whole = await sessions.snapshot(session)
    assert short(whole["messages"]) == SAID
    last = (await http.get(f"/v1/sessions/{session}?messages=5")).json()
    assert last["messages"] == whole["messages"][-5:]
    assert last["before"] == len(SAID) - 5
    told = await events(http, session, last["since"], whole["seq"])
    assert told[0].data["type"] == "turn.started"
    assert short([f.data["message"] for f in told if "message" in f.data]) == SAID[-6:]
    found: list[dict[str, Any]] = []
    before = len(SAID)
    while before:
        page = (await http.get(f"/v1/sessions/{session}/messages?before={before}&limit=23")).json()
        found, before = [*page["messages"], *found], page["before"]
    assert found == whole["messages"]


async def test_each_step_shows_the_exact_prompt_that_it_had(http: httpx2.AsyncClient, session: str) -> None:
    for number in (1, 2, 3, 20, TURNS):
        answer = await http.get(f"/v1/sessions/{session}/trace?step=t{number}.s1")
        (step,) = answer.json()["steps"]
        assert short(step["prompt"]["messages"]) == SAID[: 2 * number - 1]
        assert step["request_matches"] is True
    steps: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page = (await http.get(f"/v1/sessions/{session}/trace?after={cursor}&limit=25")).json()
        cursor = page["next_cursor"]
        steps += [step["step_id"] for step in page["steps"]]
    assert steps == [f"t{number}.s1" for number in range(1, TURNS + 1)]


async def test_prompts_that_began_with_a_summary_are_shown_too(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    # What a request has is counted by its bytes.
    provider.script(*[Reply(text=f"some answer {PADDING}", usage="none")] * 80)
    made = await sessions.create("small")
    for number in range(1, 41):
        await sessions.ask(made, f"question {number} {PADDING}")
    provider.reset()
    seq = (await sessions.snapshot(made))["seq"]
    compacted = [frame for frame in await events(http, made, None, seq) if frame.type == "context.compacted"]
    # Of which the session itself keeps only the last ones.
    assert sum(frame.data["how"] == "summarized" for frame in compacted) > 5
    cursor: int | None = 0
    while cursor is not None:
        page = (await http.get(f"/v1/sessions/{made}/trace?after={cursor}&limit=20")).json()
        cursor = page["next_cursor"]
        for step in page["steps"]:
            # A summary may still be written, beside the session that rests.
            expected = None if step["status"] == "running" else True
            assert (step["step_id"], step["request_matches"]) == (step["step_id"], expected)
            assert step["prompt"] is not None


async def test_a_fork_from_deep_in_the_past_stands_by_itself(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider, dev: Dev
) -> None:
    source = await sessions.create(user="ann")
    for number in range(1, 31):
        provider.script(Reply(text=f"answer {number} {PADDING}"))
        await sessions.ask(source, f"question {number} {LONG if number == 2 else PADDING}")
    before = await sessions.snapshot(source)
    past = await events(http, source, None, before["seq"])
    forks: dict[str, int] = {}
    for turn in (1, 13, 25, 30):
        made = (await http.post(f"/v1/sessions/{source}/fork", json={"turn_id": f"t{turn}"})).json()
        forks[made["session_id"]] = turn
        assert past[made["seq"] - 1].data["type"] == "turn.finished"
        assert past[made["seq"] - 1].data["turn_id"] == f"t{turn}"
    assert (await http.delete(f"/v1/sessions/{source}?erase=true", timeout=PATIENCE_S)).status_code in (200, 202)
    assert sealed(dev, source) == []

    for fork, turn in forks.items():
        found = await sessions.snapshot(fork)
        assert found["messages"] == before["messages"][: 2 * turn]
        shown = await events(http, fork, None, found["seq"])
        assert [frame.data for frame in shown] == [frame.data for frame in past[: found["seq"]]]
        provider.script(Reply(text="another"))
        turned = await sessions.ask(fork, "and now?")
        assert turned["turn"]["turn_id"] == f"t{turn + 1}"
        asked = [block["text"] for message in provider.calls[-1].body["messages"] for block in message["content"]]
        assert [" ".join(text.split()[:2]) for text in asked] == [*SAID[: 2 * turn], "and now?"]
        (step,) = (await http.get(f"/v1/sessions/{fork}/trace?step=t1.s1")).json()["steps"]
        assert short(step["prompt"]["messages"]) == ["question 1"]


async def test_a_past_that_is_sealed_is_erased_with_the_rest(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider, dev: Dev
) -> None:
    made = await sessions.create()
    for number in range(1, 16):
        provider.script(Reply(text=f"answer {number} {PADDING}"))
        await sessions.ask(made, f"question {number} {PADDING}")
    assert sealed(dev, made)
    for _ in range(2):
        answer = await http.delete(f"/v1/sessions/{made}?erase=true", timeout=PATIENCE_S)
        assert answer.status_code in (200, 202)
        assert sealed(dev, made) == []


@pytest.mark.browser
async def test_the_pages_open_a_long_session_at_its_end(dev: Dev, session: str, chromium: str) -> None:
    expect.set_options(timeout=WAIT_MS)
    async with open_browser(chromium) as context:
        page = await context.new_page()
        await page.goto(f"{dev.url}/chat/{session}")
        await expect(page.get_by_text(re.compile(f"^answer {TURNS} "))).to_be_visible()
        await expect(page.locator("#transcript").get_by_text(re.compile("^question 1 "))).to_have_count(0)
        await expect(page.locator("#transcript > .turn")).to_have_count(50)
        # Whoever scrolls up is shown what came before.
        await page.locator("#scroll").evaluate("node => (node.scrollTop = 0)")
        await expect(page.locator("#transcript > .turn")).to_have_count(TURNS)
        await expect(page.locator("#transcript").get_by_text(re.compile("^question 1 "))).to_have_count(1)
        await expect(page.get_by_role("button", name="Show earlier")).to_be_hidden()
        footers = await page.locator("#transcript .turn-footer").all_text_contents()
        assert all("tokens" in footer for footer in footers)
        assert len(footers) == TURNS

        await page.goto(f"{dev.url}/sessions/{session}")
        await expect(page.locator("#timeline > .turn")).to_have_count(50)
        await page.get_by_role("button", name="Show earlier").click()
        await expect(page.locator("#timeline > .turn")).to_have_count(TURNS)
        await page.locator('[data-step="t1.s1"]').click()
        await expect(page.locator("#detail")).to_contain_text("question 1")
