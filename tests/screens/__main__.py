"""Makes the pictures of every state of the pages: `python -m tests.screens [STATE …]`.

It writes those that look another way than the ones that are kept, removes those of states that are gone, prints both, and
exits with 1 where a state is not reached or axe finds a fault.
"""
# ruff: noqa: T201 - it is a command

import argparse
import asyncio
import sys
import time
from pathlib import Path

from PIL import Image

from tests.screens.comparing import KEPT, changed, write
from tests.screens.states import STATES, State
from tests.screens.taking import Taken, names, take


def keep(picture: Image.Image, file: Path) -> str:
    """Writes it where it looks another way than the one that is kept. → what was done, in a word"""
    word = "new" if not file.exists() else "changed" if changed(picture, Image.open(file).convert("RGB")) else ""
    if word:
        write(picture, file)
    return word


def main() -> int:
    parser = argparse.ArgumentParser(description="makes the pictures of the pages' states")
    parser.add_argument("states", nargs="*", metavar="STATE", help="by default all of them")
    parser.add_argument("--into", type=Path, default=KEPT, metavar="DIR", help="by default the committed ones")
    given = parser.parse_args()
    unknown = [name for name in given.states if name not in STATES]
    if unknown:
        parser.error(f"no such state: {', '.join(unknown)}; there are {', '.join(STATES)}")
    began = time.monotonic()
    told = 0

    def seen(state: State, taken: Taken) -> None:
        nonlocal told
        for name in (f"{state.name}.{look}" for look in state.looks):
            if name in taken.pictures and (word := keep(taken.pictures[name], given.into / f"{name}.webp")):
                print(f"{word}: {name}", flush=True)
        for fault in taken.faults[told:]:
            print(f"FAULT {fault}", flush=True)
        told = len(taken.faults)

    taken = asyncio.run(take(given.states, seen))
    for file in sorted(given.into.glob("*.webp")) if not given.states else ():
        if file.stem not in names():
            file.unlink()
            print(f"gone: {file.stem}")
    size = sum(file.stat().st_size for file in given.into.glob("*.webp"))
    took = time.monotonic() - began
    print(
        f"{len(taken.pictures)} pictures in {took:.0f} s, {len(taken.faults)} faults; {size / 1e6:.1f} MB in the folder"
    )
    return 1 if taken.faults else 0


if __name__ == "__main__":
    sys.exit(main())
