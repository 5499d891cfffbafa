"""SIGKILL mid-stream, then a restart on the same data: how soon does the interrupted step reach its provider again?"""

from collections.abc import Callable
from typing import Final

from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.rig import Rig
from perdure.temporal.app.bench.rig.wire import reading

GROUP: Final[Group] = "kill"
_ANSWER: Final = "x " * 100


async def measure(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    rows: list[Row] = []
    for name, everything in (("the main process alone", False), ("all processes", True)):
        found: list[float] = []
        for _ in range(1 if quick else 3):
            found.append(await _once(rig, everything))
            step()
        rows.append(
            Row(
                group=GROUP,
                name=f"{name}, the slowest",
                value=round(max(found), 2),
                unit="s",
                target=Target(bound="at most", value=2),
                details={"each": [round(seconds, 3) for seconds in found]},
            )
        )
    return rows


async def _once(rig: Rig, everything: bool) -> float:
    """Seconds; negative if the request came before `ready`."""
    await rig.provider.answer(text="x " * 3000, stamped=True, gap=0.02)
    await rig.provider.forget()
    session = await rig.create()
    async with rig.watching(session) as events:
        await rig.post(session, "Go on.")
        await events.until_tokens(20)
        await rig.kill(everything=everything)
    await rig.provider.answer(text=_ANSWER, stamped=True, gap=0.02)
    ready = await rig.start()
    again = await rig.provider.call(1)
    # However long it takes, the answer has to be finished.
    async with reading(rig.at(session, "events"), "step.delta") as events:
        await events.until("turn.finished")
    return again - ready
