"""Blobs in a container of Azure's blob storage, as in a folder."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perdure.temporal.app.commands.blob_check import blob_store
from perdure.temporal.blob_address import blob_address
from perdure.temporal.stores.blobs import BlobMissing, LocalBlobs
from perdure.temporal.stores.opened import open_blobs
from tests.support.azurite import ACCOUNT, KEY, azurite, make_container

pytestmark = [pytest.mark.server, pytest.mark.slow]

MEGABYTE = b"x" * 1_000_000


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(12):
        yield MEGABYTE


async def test_a_container_has_the_outcomes_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    one = f"t/s/{hashlib.sha256(b'one').hexdigest()}"
    async with azurite(tmp_path / "azurite") as endpoint:
        address = blob_address(f"az://blobs/perdure?account={ACCOUNT}&endpoint={endpoint}&allow_http=true")
        assert (await blob_store(address)).found.endswith("there is no bucket blobs")
        await make_container(endpoint, "blobs")
        assert (await blob_store(address)).state in ("ok", "warning")
        for blobs in (open_blobs(address, cache_bytes=0), LocalBlobs(tmp_path / "folder", cache_bytes=0)):
            await asyncio.gather(*(blobs.put(one, b"one") for _ in range(8)))
            await blobs.copy(one, one.replace("t/s/", "t/s2/"))
            assert sorted(await blobs.keys("t")) == [one, one.replace("t/s/", "t/s2/")]
            assert await blobs.get(one.replace("t/s/", "t/s2/")) == b"one"
            for work in (blobs.get("t/s/none"), blobs.copy("t/s/none", "t/s/other")):
                with pytest.raises(BlobMissing, match="no blob t/s/none"):
                    await work
            await blobs.put_stream("uploads/d/t/u/data", pieces())
            assert await blobs.get("uploads/d/t/u/data") == MEGABYTE * 12
            for start in range(0, 600, 50):
                await asyncio.gather(*(blobs.put(f"t/many/n{start + more}", b"") for more in range(50)))
            # Two who erase the same delete all of it.
            await asyncio.gather(blobs.delete_prefix("t/many"), blobs.delete_prefix("t/many"))
            assert await blobs.keys("t/many") == []
            assert await blobs.delete_prefix("t/many") == 0
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "aHVudGVyMg==")
        refused = await blob_store(address)
    assert (refused.state, refused.advice) == ("failed", "let them read, write, list and delete in az://blobs/perdure")
