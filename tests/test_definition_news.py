"""What is told when files of agents change, and which versions are kept."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from perdure.temporal.app.processes.start import print_news
from perdure.temporal.definitions.news import News
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.stores.blobs import LocalBlobs, StoreUnavailable

WHOLE = "name: {name}\nmodels: {{a: {{use: demo/a}}, b: {{use: demo/b}}}}\nmodel: a\ninstructions: |\n  Hi.\n"


def write(folder: Path, name: str, text: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (file := folder / f"{name}.yaml").write_text(WHOLE.format(name=name) if text is None else text)
    # A second write within one tick of the file system's clock counts as well.
    seen = os.stat(file).st_mtime_ns
    os.utime(file, ns=(seen, seen + len(list(folder.iterdir()))))
    return file


class Watched:
    """Definitions that are watched, and what was told of them."""

    def __init__(self, found: Definitions) -> None:
        self.found = found
        self.told: asyncio.Queue[Sequence[News]] = asyncio.Queue()

    async def next(self) -> list[str]:
        return [str(one) for one in await asyncio.wait_for(self.told.get(), 20)]

    async def __aenter__(self) -> "Watched":
        self._watching = asyncio.create_task(self.found.watch(0.001, self.told.put_nowait))
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching


def read(tmp_path: Path) -> Definitions:
    return Definitions([tmp_path / "agents"], blobs=LocalBlobs(tmp_path / "blobs"))


def short(found: Definitions, name: str, tenant: str | None = None) -> str:
    known = found.current(name, tenant)
    assert known is not None
    return known.digest[:12]


async def test_each_change_is_told_in_words(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    file = write(agents, "support")
    good = file.read_text()
    found = read(tmp_path)
    first = short(found, "support")
    async with Watched(found) as watched:
        write(agents, "support", good.replace("model: a", "model: b").replace("  Hi.\n", "  Hi.\n  Be brief.\n"))
        (line,) = await watched.next()
        second = short(found, "support")
        told = "model: a -> b; instructions: 0 lines out, 1 line in"
        assert line == f"agent support changed  {first} -> {second}  {told}"

        write(agents, "support", file.read_text() + "colour: red\n")
        (line,) = await watched.next()
        fault = f"{file}:7:1: colour: there is no such field"
        assert line == f"agent support refused, {second} goes on serving: {fault}"
        assert (short(found, "support"), [str(one) for one in found.problems]) == (second, [fault])

        write(agents, "support", file.read_text().replace("colour: red\n", ""))
        assert await watched.next() == [f"agent support is accepted again  {second}"]

        write(agents / "@acme", "billing")
        assert await watched.next() == [f"agent @acme/billing added  {short(found, 'billing', 'acme')}"]

        write(agents, "odd", "name: odd\n")
        assert [line.partition(": ")[0] for line in await watched.next()] == [
            "agent odd refused, nothing serves in its place"
        ] * 3

        file.unlink()
        assert await watched.next() == [f"agent support removed  {second}"]


async def test_the_terminal_shows_them_with_the_lines_of_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "agents", "support")
    found = read(tmp_path)
    first = short(found, "support")
    async with Watched(found) as watched:
        write(file.parent, "support", file.read_text().replace("  Hi.\n", "  [red]Hello.\n"))
        print_news(await asyncio.wait_for(watched.told.get(), 20))
    assert capsys.readouterr().out.splitlines() == [
        f"agent support changed  {first} -> {short(found, 'support')}  instructions: 1 line out, 1 line in",
        "    @@ -1 +1 @@",
        "    -Hi.",
        "    +[red]Hello.",
    ]


async def test_versions_are_kept_in_the_order_in_which_they_were_seen(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    file = write(agents, "support")
    good = file.read_text()
    found = read(tmp_path)
    await found.publish()
    first = short(found, "support")
    write(agents, "support", good.replace("Hi.", "Hello."))
    assert await found.refresh()
    second = short(found, "support")
    # Going back to an earlier version makes no new one.
    write(agents, "support", good)
    assert await found.refresh()
    write(agents / "@acme", "support")
    assert await found.refresh()
    own = short(found, "support", "acme")

    # Another process knows them by the store alone.
    elsewhere = read(tmp_path)
    await elsewhere.publish()
    seen = {tenant: await elsewhere.versions.of("support", tenant) for tenant in (None, "acme", "bolt")}
    assert {tenant: [one.digest[:12] for one in listed] for tenant, listed in seen.items()} == {
        None: [second, first],
        "acme": [own, second, first],
        "bolt": [second, first],
    }
    times = [one.first_seen for one in seen["acme"]]
    assert times == sorted(times, reverse=True)
    assert await elsewhere.versions.of("billing", "acme") == []


class Unlisted(LocalBlobs):
    """Lists nothing while it is away."""

    away = True

    async def keys(self, prefix: str) -> list[str]:
        if self.away:
            raise StoreUnavailable("the store is away")
        return await super().keys(prefix)


async def test_a_version_that_could_not_be_kept_serves_and_is_kept_later(tmp_path: Path) -> None:
    write(tmp_path / "agents", "support")
    blobs = Unlisted(tmp_path / "blobs")
    found = Definitions([tmp_path / "agents"], blobs=blobs)
    with capture_logs() as logs:
        await found.publish()
        await found.refresh()
    # Told once, however often it is tried.
    assert [line["event"] for line in logs] == ["versions.not_kept"]
    blobs.away = False
    assert not await found.refresh()
    assert [one.digest[:12] for one in await found.versions.of("support", None)] == [short(found, "support")]
