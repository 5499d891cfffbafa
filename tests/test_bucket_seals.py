"""A session that seals its past in a bucket, whose store dies and comes back."""

from pathlib import Path

import pytest

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.protocol.sealing import PartRequest
from perdure.workflows.session import SessionWorkflow
from tests.support.s3 import S3
from tests.support.session_lab import Talk, lab_on

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.usefixtures("s3_keys")]


async def nothing_open(talk: Talk) -> None:
    """Returns once nothing is being sealed, or tried again."""
    while (await talk.ask(SessionWorkflow.part, PartRequest())).open:
        pass


async def test_a_store_that_dies_while_a_session_seals_costs_nothing_but_room(
    temporal_server: DevServer, tmp_path: Path, s3: S3
) -> None:
    bucket = await s3.make_bucket()
    async with lab_on(temporal_server, tmp_path, blobs=s3.url(bucket, "dies")) as lab:
        talk = await lab.start("staged", behavior=1)
        texts_said = [f"{number} " * 5_000 for number in range(12)]
        await s3.kill()
        for text in texts_said[:6]:
            await talk.turn(text)
        await nothing_open(talk)
        assert not (await talk.page()).sealed
        await s3.start()
        for text in texts_said[6:]:
            await talk.turn(text)
        await nothing_open(talk)
        assert (await talk.page()).sealed
        await talk.turn("what did I say?")
        requests = lab.stage.requests
    heard = [part.text for one in requests[-1] if one.role == "user" for part in one.parts if part.type == "text"]
    assert heard == [*texts_said, "what did I say?"]
    assert len(await s3.keys(bucket, f"dies/{talk.handle.id}")) >= 1
