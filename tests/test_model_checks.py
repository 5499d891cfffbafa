"""What `perdure doctor` says of each model: its server, what is known of it, and what workers have learnt."""

from pathlib import Path

import pytest

from perdure.temporal.app.commands.model_checks import models
from perdure.temporal.definitions.folders import AgentFolders
from perdure.temporal.stores.blobs import BlobMissing, LocalBlobs
from perdure.temporal.stores.learnt import LearntChanges, kept

AGENT = """\
name: shop
model: main
instructions: x
models:
  main: {use: openai/gpt-6-sol, fallback: [{use: openai-chat/deepseek-v4-pro, base_url: "https://api.deepseek.com"}]}
  seen: {use: openai-chat/llava, base_url: "http://localhost:11434/v1"}
  odd: {use: openai-chat/m, base_url: "https://${HOST}/v1", thinking: high}
  nowhere: {use: openai-chat/m, base_url: "${NOT_SET}"}
secrets: [HOST, NOT_SET]
"""


async def found(folder: Path, blobs: Path) -> list[tuple[str, str]]:
    (folder / "shop.yaml").write_text(AGENT)
    reading = AgentFolders.of([folder], None, None).read()
    assert not reading.problems
    return [
        (check.state, check.found) async for check in models(reading, LocalBlobs(blobs), {"HOST": "private.example"})
    ]


async def test_each_model_has_a_line(tmp_path: Path) -> None:
    assert await found(tmp_path, tmp_path / "blobs") == [
        (
            "ok",
            "openai/gpt-6-sol (shop.main): OpenAI; always thinks, here at its least (low), takes images and PDF, "
            "at most 128 tools, without temperature and top_p",
        ),
        (
            "ok",
            "openai-chat/deepseek-v4-pro (shop.main/1): DeepSeek; thinking is off, takes text only, at most 128 tools",
        ),
        ("ok", "openai-chat/llava (shop.seen): Ollama; thinking is not asked for, takes images"),
        (
            "ok",
            "openai-chat/m (shop.odd): a server of which only the API is known; thinks: high, takes text only",
        ),
        ("unknown", "openai-chat/m (shop.nowhere): where it is served cannot be said"),
    ]


async def test_what_workers_have_learnt_is_told(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    learnt = LearntChanges(blobs)
    await learnt.add("openai", "gpt-6-sol", ["seed: dropped"])
    await learnt.add("openai", "gpt-6-sol", ["seed: dropped", "top_p: dropped"])
    # Another worker adds to it.
    await LearntChanges(blobs).add("openai", "gpt-6-sol", ["stop: dropped"])
    first, *others = await found(tmp_path, tmp_path / "blobs")
    assert first[1].endswith("; workers have learnt: seed: dropped, top_p: dropped, stop: dropped")
    assert not any("learnt" in told for _, told in others)


async def test_a_store_that_is_away_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "perdure").write_text("in the way")
    blobs = LocalBlobs(tmp_path)
    await LearntChanges(blobs).add("openai", "m", ["seed: dropped"])
    assert await kept(blobs, "openai", "m") == ()
    with pytest.raises(BlobMissing):
        await blobs.get("perdure/learnt/model-x")


async def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    learnt = LearntChanges(blobs)
    await learnt.add("openai", "m", [f"x{n}: dropped" for n in range(100)])
    assert len(await kept(blobs, "openai", "m")) == 24
    for n in range(300):
        await learnt.add("openai", f"m{n}", ["seed: dropped"])
    assert [await kept(blobs, "openai", f"m{n}") != () for n in (0, 254, 255, 299)] == [True, True, False, False]
