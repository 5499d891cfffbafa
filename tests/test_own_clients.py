"""Perdure's own clients, in JavaScript and in Python, against a gateway that is killed in the middle of answers: they go on
without their caller doing anything, and miss and repeat nothing.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Request, expect

from perdure.client import Event, Perdure, errors
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.apart import Apart, apart
from tests.support.browsing import open_browser
from tests.support.guide_examples import examples
from tests.support.hook_page import react_app
from tests.support.ports import free_ports
from tests.support.programs import lines_of
from tests.support.serving import serve

pytestmark = [pytest.mark.server, pytest.mark.slow]

OWN = Path(__file__).parent / "clients" / "own.mjs"
#: Restarts of a gateway take their time on a busy machine.
PATIENCE_S = 180
WORDS = " ".join(f"word{n}" for n in range(40))
LONG = Reply(text=WORDS, gap=0.05)
REFUND = Reply(text="", tools=(("issue_refund", {"order_id": "A-1001", "amount": 150}),))
TURN = [
    *("turn.started", "message.added", "step.started", "step.finished", "tool.started", "tool.finished"),
    *("step.started", "step.finished", "turn.finished"),
]


@pytest.fixture(scope="module")
def app_port() -> int:
    """Where the page of an app is."""
    (port,) = free_ports(1)
    return port


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, app_port: int
) -> AsyncIterator[Apart]:
    listed = {"PERDURE_ALLOWED_ORIGINS": f"http://127.0.0.1:{app_port}"}
    async with apart(tmp_path_factory.mktemp("clients"), provider, 1, environment=listed) as everything:
        yield everything


class Killer:
    """Kills the gateway in the middle of an answer, and while a tool runs, which ends once the gateway is away; and starts it
    again while its clients look for it."""

    def __init__(self, running: Apart, provider: FakeProvider) -> None:
        (self._gateway,) = running.gateways
        self._gate = running.gate
        self._gate.unlink(missing_ok=True)
        self._starting: list[asyncio.Task[None]] = []
        tool = ("wait_for", {"path": str(self._gate)})
        provider.script(Reply(text=WORDS, gap=0.05, tools=(tool,)), LONG, Reply(text="Second."))

    async def hear(self, event: Event) -> None:
        if (event.type == "step.delta" and not self._starting) or event.type == "tool.started":
            await asyncio.gather(*self._starting)
            await self._gateway.kill()
            self._starting.append(asyncio.create_task(self._gateway.start()))
            if event.type == "tool.started":
                self._gate.touch()

    async def done(self) -> None:
        assert len(self._starting) == 2
        await asyncio.gather(*self._starting)


def check(events: list[Event]) -> None:
    """One turn, in which nothing is missing and nothing comes twice."""
    numbers = [event.seq for event in events if event.seq is not None]
    # Between them are the events of another message.
    assert numbers == sorted(set(numbers))
    assert [event.type for event in events if event.seq is not None] == TURN
    *_, last = [event for event in events if event.type == "step.finished"]
    assert last["message"]["parts"] == [{"type": "text", "text": WORDS}]
    assert events[-1]["reason"] == "done"


async def test_a_python_program_goes_on(running: Apart, provider: FakeProvider) -> None:
    killer = Killer(running, provider)
    waits: list[int] = []
    async with (
        asyncio.timeout(PATIENCE_S),
        Perdure(running.urls[0], on_wait=lambda wait: waits.append(wait.failures)) as perdure,
    ):
        session = await perdure.create("waiting")
        events: list[Event] = []
        waited: list[asyncio.Task[Any]] = []
        async with aclosing(session.turn("Go")) as turn:
            async for event in turn:
                events.append(event)
                if event.type == "step.started" and not waited:
                    waited.append(asyncio.create_task(session.send_and_wait("And on")))
                await killer.hear(event)
        await killer.done()
        check(events)
        assert waits
        second = await waited[0]
        assert (second.reason, second.text) == ("done", "Second.")
        snapshot = await session.snapshot()
        assert [message["role"] for message in snapshot["messages"]] == [
            "user",
            "assistant",
            "tool",
            "assistant",
            "user",
            "assistant",
        ]
        await session.close()
        # From the start, and from a cursor: everything once, to the end.
        told = [event async for event in session.events()]
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
        assert [event.seq async for event in session.events(after=len(told) - 2)] == [len(told) - 1, len(told)]
        assert [event async for event in session.events(after=len(told))] == []


async def test_a_javascript_program_goes_on(running: Apart, provider: FakeProvider, node: str, tmp_path: Path) -> None:
    killer = Killer(running, provider)
    events: list[Event] = []
    result: dict[str, Any] = {}
    async with asyncio.timeout(PATIENCE_S), aclosing(told_by(node, running.urls[0], "turn", tmp_path)) as lines:
        async for line in lines:
            if "result" in line:
                result = line["result"]
                continue
            event = line["event"]
            events.append(Event(event["type"], event.get("seq"), event))
            await killer.hear(events[-1])
    await killer.done()
    check(events)
    assert result["texts"] == [WORDS, "Second."]
    assert (result["waited"], result["said"]) == ("done", "Second.")
    assert {"open", "waiting"} <= set(result["states"]) <= {"connecting", "open", "waiting"}


async def test_a_python_program_asks_and_answers(running: Apart, provider: FakeProvider) -> None:
    provider.script(REFUND, Reply(text="Done."), REFUND, Reply(text="A pity."), LONG)
    async with asyncio.timeout(PATIENCE_S), Perdure(running.urls[0]) as perdure:
        session = await perdure.create("support")
        file = await perdure.upload(b"order A-1001", name="order.txt", media_type="text/plain")
        assert file["media_type"] == "text/plain"
        parts = [{"type": "file", "uri": file["uri"]}, {"type": "text", "text": "Refund it"}]
        waits = await session.send_and_wait(parts=parts, message_id="m1")
        assert (waits.reason, [one["name"] for one in waits.questions]) == ("waiting", ["issue_refund"])
        question = waits.questions[0]["question_id"]
        await session.answer(question, approved=True)
        done = await session.send_and_wait(parts=parts, message_id="m1")
        assert (done.reason, done.text, done.message_id) == ("done", "Done.", "m1")
        for _ in range(2):
            taken = await session.feedback(done.turn_id or "", -1, "Too short")
        assert taken["turn_id"] == done.turn_id
        assert (await session.snapshot())["feedback"] == [{"turn_id": done.turn_id, "score": -1}]
        with pytest.raises(errors.AlreadyAnswered) as late:
            await session.answer(question, approved=True)
        assert (late.value.status, late.value.code) == (409, "already_answered")

        kinds = []
        async for event in session.turn("Again"):
            kinds.append(event.type)
            if event.type == "approval.requested":
                await session.answer(event["question_id"], approved=False, reason="no")
        assert "approval.resolved" in kinds
        assert kinds[-1] == "turn.finished"

        reason = ""
        async for event in session.turn("Tell me all"):
            if event.type == "step.delta":
                await session.stop(event.turn_id)
            elif event.type == "turn.finished":
                reason = event["reason"]
        assert reason == "stopped"
        await session.close()
        with pytest.raises(errors.SessionClosed):
            await session.send("Hello?")
        with pytest.raises(errors.Conflict):
            await session.send("Hello?")


async def test_a_javascript_program_asks_and_answers(
    running: Apart, provider: FakeProvider, node: str, tmp_path: Path
) -> None:
    provider.script(REFUND, Reply(text="Done."), REFUND, Reply(text="A pity."), LONG)
    async with asyncio.timeout(PATIENCE_S):
        (line,) = [line async for line in told_by(node, running.urls[0], "ask", tmp_path)]
    assert line["result"] == {
        "media_type": "text/plain",
        "waits": "waiting",
        "name": "issue_refund",
        "done": "done",
        "again": [True, "already_answered"],
        "denied": "turn.finished",
        "stopped": "stopped",
        "left": "AbortError",
        "events": [1, 2, 3],
    }


async def test_refusals_have_a_class_and_what_fails_for_long_is_given_up(running: Apart) -> None:
    async with Perdure(running.urls[0]) as perdure:
        with pytest.raises(errors.SessionNotFound):
            await perdure.session("nobody").snapshot()
        with pytest.raises(errors.NotFound):
            _ = [event async for event in perdure.session("nobody").events()]
        with pytest.raises(errors.AgentNotFound):
            await perdure.call("GET", "/v1/agents/nobody")
        with pytest.raises(errors.Invalid) as wrong:
            await perdure.create("support", inputs={"customer_name": ""})
        assert [one["field"] for one in wrong.value.errors] == ["inputs.customer_name"]
    async with Perdure("http://127.0.0.1:9", patience_s=0.5) as nobody:
        with pytest.raises(errors.Unreachable, match="does not answer"):
            await nobody.agents()
        with pytest.raises(errors.Unreachable):
            _ = [event async for event in nobody.session("s").events()]


async def test_the_guide_s_programs_run(running: Apart, provider: FakeProvider, node: str, tmp_path: Path) -> None:
    provider.script(Reply(text="One that survives."), Reply(text="One that survives."), Reply(text="It lives on."))
    (shown,) = [one.code for one in examples("js") if one.page == "programs" and "createSession" in one.code[:200]]
    (tmp_path / "package.json").write_text('{"type": "module"}')
    await save_client(running.urls[0], tmp_path / "client.js")
    assert await printed(tmp_path, running.urls[0], "main.js", shown, node) == "One that survives."

    (program,) = [one.code for one in examples("python") if one.page == "programs"]
    assert await printed(tmp_path, running.urls[0], "main.py", program, sys.executable) == (
        "One that survives.done It lives on.\n409 session_closed The session is closed, so the message was not taken.\n"
    )


async def printed(folder: Path, url: str, name: str, program: str, runs: str) -> str:
    """What a program of the guide prints."""
    assert "http://127.0.0.1:8000" in program
    (folder / name).write_text(program.replace("http://127.0.0.1:8000", url))
    process = await asyncio.create_subprocess_exec(runs, name, cwd=folder, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


@pytest.mark.browser
async def test_the_guide_s_hook_goes_on_under_strict_mode(
    running: Apart, provider: FakeProvider, node: str, chromium: str, tmp_path: Path, app_port: int
) -> None:
    """Effects run twice there: nothing is sent, shown or followed twice, and what is left is closed."""
    provider.script(LONG, REFUND, Reply(text="Done."), Reply(text="Another talk."))
    (gateway,) = running.gateways
    app = await react_app(tmp_path, node, running.urls[0])
    async with serve(app, port=app_port), open_browser(chromium) as browser, asyncio.timeout(PATIENCE_S):
        page = await browser.new_page()
        wrong: list[str] = []
        open_streams: set[Request] = set()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda one: open_streams.add(one) if one.url.endswith("/events") else None)
        page.on("requestfailed", lambda one: open_streams.discard(one))
        page.on("requestfinished", lambda one: open_streams.discard(one))
        said = page.locator("main > p:not([role])")

        async def shows(*texts: str) -> None:
            await expect(said).to_have_text(list(texts), timeout=PATIENCE_S * 1000)

        await page.goto(f"http://127.0.0.1:{app_port}/#mine")
        await page.get_by_role("textbox").fill("Go")
        await page.keyboard.press("Enter")
        await expect(said.nth(1)).to_contain_text("word3 ")
        await gateway.kill()
        await expect(page.get_by_role("status")).to_have_text("Connecting again…")
        # What is sent meanwhile is shown at once, and goes out by itself.
        await page.get_by_role("textbox").fill("Refund it")
        await page.keyboard.press("Enter")
        await expect(said.last).to_have_text("user: Refund it")
        await gateway.start()
        await expect(page.get_by_text("May issue_refund run with")).to_be_visible(timeout=PATIENCE_S * 1000)
        await page.get_by_role("button", name="Allow").click()
        talk = ["user: Go", f"assistant: {WORDS}", "user: Refund it", "assistant: ", "assistant: Done."]
        await shows(*talk)
        assert len(open_streams) == 1

        await page.evaluate("open_session('other')")
        await shows()
        await page.get_by_role("textbox").fill("Hello")
        await page.keyboard.press("Enter")
        await shows("user: Hello", "assistant: Another talk.")
        assert [one.url.split("/")[-2] for one in open_streams] == ["other"]

        await page.reload()
        await shows(*talk)
        await page.evaluate("open_session('')")
        await expect(page.locator("main")).to_have_count(0)
        assert wrong == []


async def told_by(node: str, url: str, scenario: str, folder: Path) -> AsyncGenerator[dict[str, Any]]:
    """What a program says that uses `client.js` as a person has saved it."""
    saved = folder / "client.mjs"
    await save_client(url, saved)
    async with aclosing(lines_of(node, OWN, saved, url, scenario)) as lines:
        async for told in lines:
            yield told


async def save_client(url: str, file: Path) -> None:
    async with httpx2.AsyncClient() as http:
        saved = (await http.get(f"{url}/client.js")).content
    await asyncio.to_thread(file.write_bytes, saved)
