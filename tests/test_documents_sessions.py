"""References of sessions on a real server: what a session reads when the files have changed and another worker runs it."""

from pathlib import Path

import pytest

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect, ensure_search_attributes
from perdure.temporal.settings import Settings
from perdure.workflows.vocabulary.events import ToolFinished
from tests.support.session_lab import Play, Stage, Talk, open_lab

pytestmark = pytest.mark.server

AGENTS = {"reader": "models: {main: {use: demo/stage}}"}


async def read(talk: Talk, stage: Stage, digest: str | None = None) -> str:
    """What the agent reads in the next turn."""
    stage.plays = [Play("", [("read_reference", {"reference": "hours.md"})]), Play("Read.")]
    (result,) = [one.result for one in await talk.turn("when?", digest=digest) if isinstance(one, ToolFinished)]
    assert isinstance(result.output, dict)
    return str(result.output["text"])


async def test_a_session_reads_the_texts_of_its_own_digest_on_another_worker(
    temporal_server: DevServer, tmp_path: Path
) -> None:
    settings = Settings.load(data_dir=tmp_path, graceful_shutdown_s=0)
    client = await connect(settings, address=temporal_server.address)
    await ensure_search_attributes(client)
    folder, stage = tmp_path / "lab", Stage()
    file = folder / "agents" / "references" / "hours.md"
    file.parent.mkdir(parents=True)

    file.write_text("Nine to five.")
    async with open_lab(client, folder, settings, stage, more_agents=AGENTS) as lab:
        talk = await lab.start("reader")
        assert await read(talk, stage) == "Nine to five."

    file.write_text("Ten to six.")
    async with open_lab(client, folder, settings, stage, more_agents=AGENTS) as lab:
        talk = Talk(lab, talk.handle, talk._sent)
        assert await read(talk, stage) == "Nine to five."
        known = lab.parts.definitions.current("reader")
        assert known is not None
        assert await read(talk, stage, known.digest) == "Ten to six."
        assert [event.type for event in await talk.events()].count("agent.updated") == 1
