"""`perdure fork` against `perdure dev`, directly through Temporal."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner, Result

from perdure.temporal.app.cli import app
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

POET = """
name: poet
models:
  main: {use: anthropic/claude-haiku-5-5}
  big: {use: anthropic/claude-sonnet-5-5}
model: main
instructions: You speak in verse.
"""


@pytest.fixture
def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> Sessions:
    provider.reset()
    return Sessions(http)


async def fork(dev: Dev, *arguments: str, data_dir: Path | None = None) -> Result:
    environment = {
        "TEMPORAL_ADDRESS": f"127.0.0.1:{dev.temporal_port}",
        "PERDURE_DATA_DIR": str(data_dir or dev.data_dir),
    }
    # The command runs an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, app, ["fork", *arguments], env=environment)


async def made(dev: Dev, *arguments: str) -> str:
    """The id of the fork."""
    result = await fork(dev, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout.strip()


async def ended(sessions: Sessions, session: str, turns: int) -> list[tuple[str, str]]:
    """The session's messages once `turns` turns have ended."""
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished", turns)
    return texts((await sessions.snapshot(session))["messages"])


async def test_forks_a_turn_with_another_text_model_and_agent(
    dev: Dev, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    source = await sessions.create()
    for number in (1, 2):
        provider.script(Reply(text=f"answer {number}"))
        await sessions.ask(source, f"question {number} " + "word " * 10_000 * (number == 1))
    past = texts((await sessions.snapshot(source))["messages"])

    assert await ended(sessions, await made(dev, source, "--turn", "t2"), 2) == past
    provider.script(Reply(text="edited answer"))
    edited = await made(dev, f"default/{source}", "--turn", "t2", "--text", "edited")
    assert await ended(sessions, edited, 2) == [*past[:2], ("user", "edited"), ("assistant", "edited answer")]

    (tmp_path / "poet.yaml").write_text(POET)
    provider.script(Reply(text="A rose"))
    named = ("--agent", "poet", "--agents", str(tmp_path), "--model", "big", "--text", "a poem")
    poet = await made(dev, source, "--turn", "t1", *named)
    assert await ended(sessions, poet, 1) == [("user", "a poem"), ("assistant", "A rose")]
    assert provider.calls[-1].body["model"] == "claude-sonnet-5-5"
    assert "You speak in verse." in str(provider.calls[-1].body["system"])


async def test_what_cannot_be_forked_is_told(
    dev: Dev, sessions: Sessions, provider: FakeProvider, tmp_path: Path
) -> None:
    source = await sessions.create()
    await sessions.ask(source, "hi")
    for arguments, words in (
        ([source, "--turn", "t9"], "--turn: is no turn of this session; its turns are:\n  t1    hi"),
        ([source, "--turn", "t 9"], "--turn: "),
        ([source, "--turn", "t1", "--text", " "], "--text: is empty"),
        ([source, "--turn", "t1", "--model", "none"], "--model: is not a model of assistant"),
        (
            [source, "--turn", "t1", "--agent", "nobody"],
            "--agent: is not known; there are: assistant, concierge, support, triage",
        ),
        ([source, "--turn", "t1", "--agents", str(tmp_path)], "give --agent"),
        (["nobody-made-this", "--turn", "t1"], "There is no such session."),
    ):
        result = await fork(dev, *arguments)
        assert isinstance(result.exception, Refused), (arguments, result.output, result.exception)
        assert words in str(result.exception)
    result = await fork(dev, source, "--turn", "t1", data_dir=tmp_path)
    assert "there is no blob store at" in str(result.exception)
    assert (await fork(dev, source)).exit_code == 2
