"""`perdure replay --what-if`: recorded turns of `perdure dev` again, over the real wire formats to the fake
provider."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from typer.testing import CliRunner

from perdure.temporal.app.cli import app
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.app.what_if.models import Models
from perdure.temporal.app.what_if.report import answer_of
from perdure.temporal.app.what_if.turn import Recording, rerun
from perdure.workflows.vocabulary.events import TurnFinished
from perdure.workflows.vocabulary.parts import ToolCall, ToolResult
from tests.support.core import AT, Story, agent, user
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Sessions

OTHER = "anthropic/claude-haiku-5-5"
SIX = Reply(text="", tools=(("calculator", {"expression": "6*7"}),))


@pytest.fixture
def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> Sessions:
    provider.reset()
    return Sessions(http)


Told = tuple[int, str, dict[str, Any]]


async def what_if(dev: Dev, provider: FakeProvider | None, *arguments: str) -> Told:
    """Runs the command: its exit code, its output, and its `--json`."""
    report = dev.data_dir / "what_if.out"
    environment = {
        "TEMPORAL_ADDRESS": f"127.0.0.1:{dev.temporal_port}",
        "PERDURE_DATA_DIR": str(dev.data_dir),
        "ANTHROPIC_BASE_URL": provider.url if provider else "",
        "ANTHROPIC_API_KEY": "sk-test-not-a-key" if provider else "",
    }
    given = ["replay", "--what-if", "--json", str(report), *arguments]
    # The command runs an event loop of its own.
    result = await asyncio.to_thread(CliRunner().invoke, app, given, env=environment)
    assert isinstance(result.exception, SystemExit | None), result.exception
    found: dict[str, Any] = json.loads(report.read_text()) if report.is_file() else {}
    report.unlink(missing_ok=True)
    return result.exit_code, result.output, found


async def computed(sessions: Sessions, provider: FakeProvider, **body: Any) -> str:
    """A session with two turns; the first calls a tool."""
    session = await sessions.create(**body)
    provider.script(SIX, Reply(text="It is 42."))
    await sessions.ask(session, "six times seven?")
    provider.script(Reply(text="Bye."))
    await sessions.ask(session, "thanks")
    provider.calls.clear()
    return session


def tool_results(provider: FakeProvider) -> list[Any]:
    """The tool results in the last request."""
    blocks = [block for message in provider.calls[-1].body["messages"] for block in message["content"]]
    return [block for block in blocks if block["type"] == "tool_result"]


@pytest.mark.server
async def test_a_turn_with_a_tool_is_run_again_with_another_model(
    dev: Dev, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await computed(sessions, provider)
    before = await sessions.snapshot(session)
    provider.script(SIX, Reply(text="Forty-two, of course.", input_tokens=30, output_tokens=9))

    code, said, report = await what_if(dev, provider, "--session", session, "--turn", "t1", "--model", OTHER)

    assert code == 0, said
    (turn,) = report["turns"]
    assert (turn["session"], turn["turn_id"], turn["asked"]) == (f"default/{session}", "t1", "six times seven?")
    then, now = turn["recorded"], turn["what_if"]
    assert (then["text"], now["text"]) == ("It is 42.", "Forty-two, of course.")
    assert (then["models"] != [OTHER], now["models"]) == (True, [OTHER])
    assert [one["steps"] for one in (then, now)] == [2, 2]
    assert [one["reason"] for one in (then, now)] == ["done", "done"]
    assert [one["usage"]["input_tokens"] for one in (then, now)] == [20, 40]
    assert all(one["cost_usd"] > 0 and one["model_ms"] > 0 for one in (then, now))
    assert then["tool_calls"] == now["tool_calls"]
    assert (turn["other_args"], turn["not_recorded"], turn["error"]) == ([], [], None)
    assert [call.body["model"] for call in provider.calls] == ["claude-haiku-5-5"] * 2
    assert "42" in str(tool_results(provider))
    assert "thanks" not in str(provider.calls[-1].body), "what came later is not told"
    for words in (
        "six times seven?",
        "It is 42.",
        "Forty-two, of course.",
        'calculator(expression="6*7")',
        "1 turn run",
    ):
        assert words in said
    assert await sessions.snapshot(session) == before


@pytest.mark.server
async def test_a_call_that_was_not_recorded_so_is_told(dev: Dev, sessions: Sessions, provider: FakeProvider) -> None:
    session = await computed(sessions, provider)
    calls = tuple(("calculator", {"expression": words}) for words in ("7*6", "1+1"))
    provider.script(Reply(text="", tools=calls), Reply(text="I give up."))

    code, said, report = await what_if(dev, provider, "--session", session, "--turn", "t1", "--model", OTHER)

    assert code == 0, said
    (turn,) = report["turns"]
    assert (turn["other_args"], turn["not_recorded"]) == (["t1.s1.c1"], ["t1.s1.c2"])
    first, second = turn["what_if"]["tool_calls"]
    assert first["output"] == turn["recorded"]["tool_calls"][0]["output"]
    assert (second["is_error"], second["output"]["type"]) == (True, "not_recorded")
    assert "No tool is called here" in str(tool_results(provider)[1])
    assert "[recorded with other arguments]" in said
    assert "[not recorded]" in said
    assert "calls that were not recorded: 1" in said


@pytest.mark.server
async def test_a_call_that_was_cut_takes_no_recorded_result(
    dev: Dev, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await computed(sessions, provider)
    cut = Reply(text="", tools=(("calculator", {"expression": "6*7"}),), stop="max_tokens")
    broken = Reply(text="one two three", fault="clean_end", fault_after=2)
    provider.script(cut, broken, Reply(text="I give up."))

    code, said, report = await what_if(dev, provider, "--session", session, "--turn", "t1", "--model", OTHER)

    assert code == 0, said
    (turn,) = report["turns"]
    (call,) = turn["what_if"]["tool_calls"]
    assert (call["is_error"], call["output"]["type"]) == (True, "answer_cut")
    assert "not run: the answer was cut" in str(tool_results(provider)[0])
    # The lost attempt is counted: its provider reported 10 tokens of input.
    assert turn["what_if"]["usage"]["input_tokens"] == 30


@pytest.mark.server
async def test_the_last_turn_with_another_definition_whose_limits_hold(
    dev: Dev, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    session = await computed(sessions, provider)
    fields = [
        "name: assistant",
        f"models: {{one: {{use: {OTHER}}}, two: {{use: anthropic/claude-sonnet-5-5}}}}",
        "model: one",
    ]
    fields += ["instructions: You are {{ mood }}.", "inputs: {mood: {type: string, default: merry}}"]
    fields += ["tools: [calculator]", "limits: {turn: {steps: 1}}"]
    (tmp_path / "other.yaml").write_text("\n".join(fields).replace("assistant", "jester", 1))
    (tmp_path / "same.yaml").write_text("\n".join(fields).replace("{{ mood }}", "stern"))
    provider.script(Reply(text="So long!"))
    named = ("--session", session, "--agents", str(tmp_path))

    code, said, report = await what_if(dev, provider, *named, "--agent", "jester", "--model", "two")
    assert code == 0, said
    (turn,) = report["turns"]
    assert (turn["turn_id"], turn["recorded"]["text"], turn["what_if"]["text"]) == ("t2", "Bye.", "So long!")
    assert (turn["recorded"]["agent"], turn["what_if"]["agent"]) == ("assistant", "jester")
    assert turn["what_if"]["models"] == ["anthropic/claude-sonnet-5-5"]
    assert "You are merry." in str(provider.calls[-1].body["system"])
    assert "six times seven?" in str(provider.calls[-1].body["messages"])

    provider.script(SIX)
    code, said, report = await what_if(dev, provider, *named, "--turn", "t1")
    assert code == 0, said
    assert "You are stern." in str(provider.calls[-1].body["system"])
    assert report["turns"][0]["what_if"]["reason"] == "max_steps"


@pytest.mark.server
async def test_a_call_that_a_worker_would_refuse_takes_no_recorded_result(
    dev: Dev, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    session = await computed(sessions, provider)
    (tmp_path / "same.yaml").write_text(
        f"name: assistant\nmodels: {{one: {{use: {OTHER}}}}}\nmodel: one\ninstructions: Hi.\ntools: [calculator]\n"
    )
    wrong = Reply(text="", tools=(("calculator", {"expresion": "6*7"}),))
    provider.script(wrong, SIX, Reply(text="Forty-two."))

    code, said, report = await what_if(dev, provider, "--session", session, "--agents", str(tmp_path), "--turn", "t1")

    assert code == 0, said
    (turn,) = report["turns"]
    refused, taken = turn["what_if"]["tool_calls"]
    assert (refused["is_error"], refused["output"]["type"]) == (True, "invalid_arguments")
    assert taken["output"] == turn["recorded"]["tool_calls"][0]["output"]
    assert (turn["other_args"], turn["not_recorded"]) == ([], [])


@pytest.mark.server
async def test_what_passes_is_tried_again_and_what_does_not_is_told(
    dev: Dev, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await computed(sessions, provider)
    provider.script(Reply(fault="fin"), Reply(text="At last."))
    code, said, report = await what_if(dev, provider, "--session", session, "--model", OTHER)
    assert (code, report["turns"][0]["what_if"]["text"]) == (0, "At last."), said

    provider.script(Reply(status=401, error="authentication_error", message="no"))
    code, said, report = await what_if(dev, provider, "--session", session, "--model", OTHER)
    assert code == 2
    assert report["turns"][0]["error"].startswith("model_auth: ")
    assert "1 failed" in said

    code, _, report = await what_if(dev, None, "--session", session, "--model", OTHER)
    assert (code, report["turns"][0]["what_if"]["error"]["type"]) == (2, "model_no_key")


@pytest.mark.server
async def test_many_sessions_by_a_query(dev: Dev, sessions: Sessions, provider: FakeProvider) -> None:
    made = [await computed(sessions, provider, user="many") for _ in range(3)]
    empty = await sessions.create(user="many")
    query = "PerdureUser = 'many'"
    listed: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(listed) < 4:
            listed = (await sessions.http.get("/v1/sessions?user=many")).json()["sessions"]
    provider.default(Reply(text="Again."))

    code, said, report = await what_if(dev, provider, "--query", query, "--model", OTHER)

    assert code == 0, said
    assert {turn["session"] for turn in report["turns"]} == {f"default/{session}" for session in made}
    assert {turn["what_if"]["text"] for turn in report["turns"]} == {"Again."}
    assert report["skipped"] == [f"default/{empty}"]
    assert "3 turns run again, 1 skipped" in said
    code, said, report = await what_if(dev, provider, "--query", query, "--model", OTHER, "--turn", "t2")
    assert (code, len(report["turns"])) == (2, 3)
    assert report["failed"] == [{"session": f"default/{empty}", "reason": "turn_id: is no turn of this session"}]


@pytest.mark.server
async def test_what_cannot_be_run_again_is_told_before_anything_is_paid(
    dev: Dev, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    session = await computed(sessions, provider)
    named = ("--session", session)
    for arguments, words in (
        (["--model", OTHER], "costs money"),
        ([*named], "say what is to be other"),
        ([*named, "--since", "7d", "--model", OTHER], "give one"),
        ([*named, "--dir", str(tmp_path), "--model", OTHER], "--dir and --processes do not go with it"),
        ([*named, "--model", "nobody/knows"], "names no provider"),
        ([*named, "--model", OTHER, "--tools", "x"], "give --agent or --agents"),
        ([*named, "--agent", "assistant", "--tools", "no.such.module"], "no.such.module"),
        ([*named, "--model", OTHER, "--json", str(tmp_path)], "this is a folder"),
        ([*named, "--model", "none"], "is not a model of assistant"),
        ([*named, "--model", OTHER, "--turn", "t9"], "is no turn of this session"),
        ([*named, "--agent", "nobody"], "nobody is not known"),
        (["--session", "nobody-made-this", "--model", OTHER], "There is no such session."),
    ):
        code, said, _ = await what_if(dev, provider, *arguments)
        assert code == 2, (arguments, said)
        assert words in said
        assert "Traceback" not in said
    assert provider.calls == []
    result = await asyncio.to_thread(CliRunner().invoke, app, ["replay", "--model", OTHER])
    assert (result.exit_code, "go with --what-if" in result.output) == (2, True)


def test_each_recorded_result_is_given_once() -> None:
    def call(number: int, name: str = "find", **args: Any) -> ToolCall:
        return ToolCall(call_id=f"t1.s1.c{number}", name=name, args=args)

    def result(number: int, output: str, name: str = "find") -> ToolResult:
        return ToolResult(call_id=f"t1.s1.c{number}", name=name, output=output)

    recorded = Recording(
        [(call(1, id=1), result(1, "one")), (call(2, id=2), result(2, "two")), (call(3, id=2), result(3, "again"))]
    )

    given = [recorded.answer([call(n, id=id)])[0] for n, id in ((11, 2), (12, 2), (13, 2), (14, 1))]  # noqa: A001

    assert [one.output for one in given[:3]] == ["two", "again", "one"]
    assert [one.call_id for one in given] == [f"t1.s1.c{n}" for n in (11, 12, 13, 14)]
    assert given[3].is_error
    assert list(recorded.matches.values()) == ["same", "same", "other_args", "not_recorded"]
    (other,) = recorded.answer([call(15, "other", id=1)])
    assert other.is_error


def test_a_call_with_other_arguments_takes_no_result_from_one_that_fits() -> None:
    fits = ToolCall(call_id="t1.s1.c2", name="find", args={"id": 1})
    other = ToolCall(call_id="t1.s1.c1", name="find", args={"id": 2})
    recorded = Recording([(fits, ToolResult(call_id="t1.s1.c2", name="find", output="one"))])

    first, second = recorded.answer([other, fits])

    assert (first.is_error, second.output) == (True, "one")


def test_of_a_turn_whose_events_are_dropped_only_the_messages_are_known() -> None:
    state = Story.new().loaded().whole_turn("hi", "hello").state
    messages = state.transcript.messages
    dropped = replace(state, log=replace(state.log, events=()))

    known, unknown = (answer_of(one, "t1", messages) for one in (state, dropped))

    assert (known.text, known.steps, known.reason, known.cost_usd, known.model_ms) == ("hello", 1, "done", 0.25, 1)
    assert (unknown.text, unknown.steps, unknown.reason, unknown.cost_usd, unknown.model_ms) == (
        "hello",
        1,
        *[None] * 3,
    )


async def test_a_result_that_a_handler_gives_is_checked_as_in_its_session() -> None:
    form = {"type": "object", "properties": {"word": {"type": "string", "maxLength": 3}}, "required": ["word"]}
    handlers = {"message": [{"finish": {"result": {"word": "{{ message }}"}}}]}
    judge = agent(handlers=handlers, answer={"schema": form})
    ended = []
    for words in ("yes", "never"):
        # No block of it asks a model.
        state = await rerun(Story.new().loaded().state, user(words), judge, Recording([]), cast(Models, None), AT)
        ended.append(state.log.events[-1])
    assert all(isinstance(event, TurnFinished) for event in ended)
    assert [(event.reason, event.result) for event in ended if isinstance(event, TurnFinished)] == [
        ("done", {"word": "yes"}),
        ("failed", None),
    ]
