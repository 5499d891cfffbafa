"""Tools for tests of tools. They record what they do in a ledger, a folder that is an argument of the call.

The module needs only the SDK, so it also runs on workers that are not Perdure's. Every tool that waits, waits for a
file, which the test creates when it chooses.
"""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

LOOK_S = 0.02
PATIENCE_S = 60


def note(ledger: str, word: str) -> None:
    """Adds a line `call attempt word` to the ledger."""
    info = activity.info()
    with (Path(ledger) / "ledger.txt").open("a") as book:
        book.write(f"{info.workflow_id} {info.activity_id} {info.attempt} {word}\n")


def entries(ledger: Path, session: str = "") -> list[tuple[str, int, str]]:
    """(call, attempt, word) of a session's entries, or of all."""
    book = ledger / "ledger.txt"
    lines = [line.split() for line in book.read_text().splitlines()] if book.exists() else []
    return [(call, int(attempt), word) for owner, call, attempt, word in lines if owner.endswith(session)]


def words(ledger: Path, session: str = "") -> Counter[str]:
    return Counter(word for _, _, word in entries(ledger, session))


async def there(ledger: str, name: str) -> None:
    while True:
        if not name or (Path(ledger) / name).exists():
            return
        await asyncio.sleep(LOOK_S)


async def written(ledger: Path, word: str, count: int = 1, session: str = "") -> None:
    """Returns once the tools have written `word` `count` times."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if words(ledger, session)[word] >= count:
                return
            await asyncio.sleep(LOOK_S)


@activity.defn
async def charge(ledger: str, before: str = "", after: str = "") -> str:
    """Take money, once. `before` and `after` are files that it waits for, before and after it takes effect."""
    return await _effect(ledger, before, after)


@activity.defn
async def record(ledger: str, before: str = "", after: str = "") -> str:
    """Write something down, which may be done again."""
    return await _effect(ledger, before, after)


@activity.defn
async def ship(ledger: str, before: str = "", after: str = "") -> str:
    """Send a parcel, once; a person is asked if its outcome is unknown."""
    return await _effect(ledger, before, after)


@activity.defn
async def launch(ledger: str, before: str = "", after: str = "") -> str:
    """Start something, once; the turn stops if its outcome is unknown."""
    return await _effect(ledger, before, after)


async def _effect(ledger: str, before: str, after: str) -> str:
    note(ledger, "begun")
    await there(ledger, before)
    note(ledger, "effect")
    await there(ledger, after)
    return "done"


@activity.defn
async def fail(kinds: list[str], ledger: str = "") -> str:
    """Fails with the first of `kinds`, then the next, and at last works."""
    attempt = activity.info().attempt
    if ledger:
        note(ledger, "fail")
    if attempt <= len(kinds):
        raise ApplicationError(f"attempt {attempt}", type=kinds[attempt - 1])
    return f"attempt {attempt}"


@activity.defn
async def rescue(kinds: list[str], ledger: str = "") -> str:
    """Does what another could not."""
    if ledger:
        note(ledger, "rescue")
    return "rescued"


@activity.defn
async def lie() -> int:
    """Promises a number."""
    promised: Any = "seven"
    return promised  # type: ignore[no-any-return]


@activity.defn
async def flood(size: int) -> str:
    """Returns a very long text."""
    return "x" * size


@activity.defn
async def nest(depth: int) -> Any:
    """Returns lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@activity.defn
async def measure(text: str) -> int:
    """The length of a text."""
    return len(text)


@activity.defn
def measure_thread(text: str) -> int:
    """The length of a text, in a thread."""
    return len(text)


@activity.defn
async def gather(ledger: str, until: str = "") -> str:
    """Runs beside others."""
    note(ledger, "in")
    await there(ledger, until)
    note(ledger, "out")
    return "ok"


@activity.defn
async def nap(seconds: float) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return "awake"


@activity.defn
async def tell(ledger: str, until: str) -> str:
    """Reports progress."""
    activity.heartbeat("reading")
    activity.heartbeat({"message": "writing", "fraction": 0.5})
    activity.heartbeat(0.75)
    note(ledger, "told")
    await there(ledger, until)
    return "told"


@activity.defn
async def report(ledger: str) -> str:
    """Reports the contents of the file `said` in each heartbeat: a JSON list of its details."""
    while not (Path(ledger) / "go").exists():
        activity.heartbeat(*json.loads((Path(ledger) / "said").read_text()))
        await asyncio.sleep(LOOK_S)
    return "reported"


@activity.defn
def tell_thread(ledger: str, until: str) -> str:
    """Reports progress from a thread."""
    activity.heartbeat("reading")
    activity.heartbeat({"message": "writing", "fraction": 0.5})
    activity.heartbeat(0.75)
    note(ledger, "told")
    while not (Path(ledger) / until).exists():
        time.sleep(LOOK_S)
    return "told"


@activity.defn
async def say_oddly() -> str:
    """Reports progress that JSON cannot hold, and lists a file whose name is not valid text."""
    for odd in ("caf\udce9", b"\xff", {"message": "\ud800", "raw": [b"\xff"]}, object()):
        activity.heartbeat(odd)
    return "caf\udce9"


@activity.defn
async def resume() -> str:
    """Fails after a heartbeat, and then resumes from its details."""
    (page,) = activity.info().heartbeat_details or (0,)
    if page:
        return f"from page {page}"
    for page in (1, 2, 3):
        activity.heartbeat(page)
    raise ApplicationError("a page is missing", type="busy")


@activity.defn
def silent(seconds: float) -> str:
    """Blocks its thread and says nothing."""
    time.sleep(seconds)
    return "at last"


@activity.defn
async def last_word(ledger: str) -> str:
    """Runs until it is stopped, and then reports how far it came."""
    note(ledger, "begun")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "half of it is done"
    return "never"


@activity.defn
def last_word_thread(ledger: str) -> str:
    """Runs in a thread until it is stopped, and then reports how far it came."""
    try:
        note(ledger, "begun")
        while True:
            time.sleep(LOOK_S)
    except CancelledError:
        return "half of it is done"


@activity.defn
async def sulk(ledger: str) -> str:
    """Fails with its own error when it is stopped."""
    note(ledger, "begun")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ApplicationError("not now", type="sulking") from None
    return "never"


@activity.defn
async def stubborn(ledger: str, until: str) -> str:
    """Ignores its cancellation."""
    note(ledger, "begun")
    while not (Path(ledger) / until).exists():
        try:
            await asyncio.sleep(LOOK_S)
        except asyncio.CancelledError:
            continue
    note(ledger, "end")
    return "too late"


@activity.defn
async def obstinate(ledger: str, until: str) -> str:
    """Ignores its cancellation; must not be repeated, and the turn ends if its outcome is unknown."""
    return await stubborn(ledger, until)
