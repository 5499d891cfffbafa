"""A stop where processes have no live plane in common: it comes with the answer to a heartbeat."""

from pathlib import Path

import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.apart import apart

pytestmark = [pytest.mark.server, pytest.mark.slow]

ENDLESS = Reply(text=" ".join(f"word{n}" for n in range(5000)), gap=0.05)


async def test_a_worker_that_takes_model_calls_alone_hears_it_without_redis(
    tmp_path: Path, provider: FakeProvider
) -> None:
    alone = {"PERDURE_LIVE": "", "PERDURE_MODELS_QUEUE": "model-calls"}
    workers = [["--queues", "sessions"], ["--queues", "models"]]
    provider.reset()
    provider.script(ENDLESS)
    async with apart(tmp_path, provider, 1, workers, alone) as running:
        (sessions,) = running.sessions
        session = await sessions.create(message="tell me")
        async with sessions.view(session) as viewer:
            await viewer.until("step.started")
            await provider.until(lambda calls: bool(calls) and len(calls[-1].tokens) > 3)
            await sessions.stop(session)
            frames = await viewer.until("turn.finished")
        assert frames[-1].data["reason"] == "stopped"
        (message,) = [frame.data["message"] for frame in frames if frame.type == "step.finished"]
        assert message["stopped"] is True
        # What had come by then is kept.
        assert provider.calls[-1].closed_at is not None
        assert not provider.calls[-1].whole
        assert message["parts"][0]["text"].startswith("word0 ")
