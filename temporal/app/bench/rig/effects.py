"""The tools of a run, and the ledger in which two of them record their effects.

Rule 1: it needs only the SDK, and is loaded like users' tools, with `--tools`; bare workers run the same functions.
Rule 2: a line is written before its effect can be seen elsewhere, so a killed process has recorded all that it did.
"""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from temporalio import activity

#: For `--tools`.
TOOLS: Final = Path(__file__)
_LOOK_S: Final = 0.02
#: A file in the ledger's folder: once it exists, waiting calls continue.
GO: Final = "go"


class Entry(NamedTuple):
    """A call that began or took effect."""

    #: The key that the call got as an argument.
    key: str
    #: The activity's id.
    call_id: str
    word: str


@activity.defn
async def nod() -> str:
    """Nod, and do nothing else."""
    return "done"


@activity.defn
async def pause(seconds: float) -> str:
    """Wait, as for an answer from elsewhere."""
    await asyncio.sleep(seconds)
    return "done"


@activity.defn
async def pay(ledger: str, key: str, wait: str) -> str:
    """Pay, which must not happen twice. The call waits `before` or `after` its effect."""
    return await _effect(ledger, key, wait)


@activity.defn
async def mark(ledger: str, key: str, wait: str) -> str:
    """Write something down, which may be repeated. The call waits `before` or `after` its effect."""
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
    """What the calls have recorded so far."""
    book = folder / "ledger.txt"
    lines = book.read_text(encoding="utf-8").splitlines() if book.exists() else []
    return [Entry(*line.split()) for line in lines]
