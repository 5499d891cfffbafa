"""The tools of a run, and the ledger in which two of them write what they did.

Rule 1: it needs nothing but the SDK, and is loaded as users' tools are, with `--tools`; bare workers run the same functions.
Rule 2: a line is written before whatever it tells of can be seen elsewhere, so that a killed process has told all it did.
"""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from temporalio import activity

#: For `--tools`.
TOOLS: Final = Path(__file__)
_LOOK_S: Final = 0.02
#: In a ledger's folder: once it is there, calls go on that wait.
GO: Final = "go"


class Entry(NamedTuple):
    """A call began, or took effect."""

    #: What the call was given to be told by.
    key: str
    #: The activity's.
    call_id: str
    word: str


@activity.defn
async def nod() -> str:
    """Nod, and do nothing else."""
    return "done"


@activity.defn
async def pause(seconds: float) -> str:
    """Wait for somebody else's answer."""
    await asyncio.sleep(seconds)
    return "done"


@activity.defn
async def pay(ledger: str, key: str, wait: str) -> str:
    """Pay, which must not happen twice. It waits `before` or `after` it takes effect."""
    return await _effect(ledger, key, wait)


@activity.defn
async def mark(ledger: str, key: str, wait: str) -> str:
    """Write something down, which may be done again. It waits `before` or `after` it takes effect."""
    return await _effect(ledger, key, wait)


async def _effect(ledger: str, key: str, wait: str) -> str:
    folder = Path(ledger)
    _note(folder, key, "begun")
    if wait == "before":
        await _allowed(folder)
    _note(folder, key, "effect")
    if wait == "after":
        await _allowed(folder)
    return "done"


def _note(folder: Path, key: str, word: str) -> None:
    with (folder / "ledger.txt").open("a", encoding="utf-8") as book:
        book.write(f"{key} {activity.info().activity_id} {word}\n")


async def _allowed(folder: Path) -> None:
    while not (folder / GO).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(_LOOK_S)


def entries(folder: Path) -> list[Entry]:
    """What the calls have written so far."""
    book = folder / "ledger.txt"
    lines = book.read_text(encoding="utf-8").splitlines() if book.exists() else []
    return [Entry(*line.split()) for line in lines]
