"""Any order of events, attempts, losses and viewers: every viewer receives everything, once, in order.

`tests.support.watching.ClientView` checks the contract of a stream, frame by frame.
"""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.gateway.live.watches import Watches
from perdure.temporal.sessions.errors import NoWorker, TooMany
from tests.support.virtual_time import run
from tests.support.watching import SESSION, Session, Viewer, watches


@dataclass(frozen=True)
class Act:
    """One thing that happens, and the seconds that pass after it."""

    what: str
    number: int
    then: float


#: Mostly progress of the session, so that there is something to publish.
WHATS = [
    *("on", "on", "on", "on", "begin", "say", "say", "say", "late", "poke", "lose", "keep", "drop", "heard"),
    *("come", "come", "slow", "leave", "away", "back", "delay"),
]
ACTS = st.builds(
    Act,
    st.sampled_from(WHATS),
    st.integers(0, 1000),
    st.sampled_from((0, 0, 0, 0.001, 0.006, 0.02, 0.3, 2, 40)),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, min_size=10, max_size=60), st.booleans())
def test_whatever_happens_every_viewer_is_told_all_in_order(acts: list[Act], closes: bool) -> None:
    async def scene(folder: Path) -> None:
        session = Session()
        gateway = watches(session, folder, viewer_queue=20)
        here: list[Viewer] = []
        for act in acts:
            happen(session, gateway, here, act)
            await asyncio.sleep(act.then)
        session.trouble = None
        session.live.loses_pokes = session.live.loses_frames = False
        if closes:
            while session.story.state.turn is not None:
                go_on(session)
            session.close()
        await asyncio.sleep(200)
        for viewer in here:
            viewer.check()
            assert viewer.view.cursor == session.seq
            assert viewer.task.done() == closes
        await asyncio.gather(*(viewer.go() for viewer in here))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with tempfile.TemporaryDirectory() as folder:
        run(scene(Path(folder)))


def go_on(session: Session) -> None:
    """The next event of the session."""
    turn = session.story.state.turn
    if turn is None:
        session.turn()
    elif turn.step is not None:
        session.answered()
    elif turn.steps == 2:
        session.finished()
    else:
        session.open()


def happen(session: Session, gateway: Watches, here: list[Viewer], act: Act) -> None:
    turn = session.story.state.turn
    streams = turn is not None and turn.step is not None
    match act.what:
        case "on":
            go_on(session)
        case "begin" if streams:
            session.begin()
        case "say" if streams and session.attempt:
            session.say(f"<{act.number}>")
        case "late" if session.said:
            session.say_late(act.number)
        case "poke":
            session.live.poke(SESSION, act.number % (session.seq + 2))
        case "lose" | "keep":
            session.live.loses_pokes = act.what == "lose"
        case "drop" | "heard":
            session.live.loses_frames = act.what == "drop"
        case "come" | "slow":
            pause = 0.05 if act.what == "slow" else 0
            after = act.number % (session.seq + 3)
            # A cursor that the session never had is far from those that it will have.
            after += 1000 if after > session.seq else 0
            here.append(Viewer(session, gateway, after, pause=pause, comes_again=True))
        case "leave" if here:
            here.pop(act.number % len(here)).task.cancel()
        case "away" | "back":
            session.trouble = (NoWorker, TooMany)[act.number % 2] if act.what == "away" else None
        case "delay":
            session.delay = (0.001, 0.01, 0.5)[act.number % 3]
        case _:
            pass
