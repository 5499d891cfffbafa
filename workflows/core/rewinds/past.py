"""The branches of a session as they were when one of its turns had ended. Pure."""

from dataclasses import dataclass

from perdure.workflows.core.endings import GOOD, oddity
from perdure.workflows.core.state.branches import Branches, Ended
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.transcript import Transcript
from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary.events import Event, StepFinished, TurnFinished
from perdure.workflows.vocabulary.rewinds import FIRST_BRANCH


@dataclass(frozen=True)
class Then:
    """What branches there were."""

    branches: Branches
    #: Of the one that went on; None: that is no longer known.
    path: Path | None
    #: The number of the first message that was said after the next move; None: there was none.
    stop: int | None


def branches_then(state: SessionState, turns: int, *, after: bool) -> Then:
    """The branches when so many turns had ended; `after`: once what followed the last of them had been cut."""
    branches = state.branches
    then = [one for one in branches.switches if one.turns < turns or (after and one.turns == turns)]
    later = branches.switches[len(then) :]
    stop = later[0].path.opened if later else None
    if not then:
        # The oldest moves may have been dropped.
        whole = not branches.switches or branches.find(branches.switches[0].branch) == _second(branches)
        return Then(Branches(undos=branches.undos), Path() if whole else None, stop)
    made = max(map(_number, (FIRST_BRANCH, *(one.branch for one in then))))
    known = tuple(one for one in branches.known if _number(one.branch) <= made)
    made_then = replace(branches, current=then[-1].branch, made=made, known=known, switches=tuple(then))
    return Then(made_then, then[-1].path, stop)


def ended_then(events: tuple[Event, ...], turn_id: str, transcript: Transcript) -> Ended | None:
    """How a turn ended that the events tell and that is the transcript's last; None: they do not."""
    finished = next((one for one in reversed(events) if isinstance(one, TurnFinished)), None)
    if finished is None or finished.turn_id != turn_id:
        return None
    steps = [one for one in events if isinstance(one, StepFinished) and one.turn_id == turn_id]
    said = transcript.on(transcript.path, 0, transcript.count)
    sound = transcript.count
    for step in reversed(steps):
        if step.stop in GOOD and oddity(step.message.parts, step.stop, step.misfit) is None:
            break
        place = next((place for place, one in enumerate(reversed(said), 1) if one.id == step.step_id), None)
        sound = sound if place is None else transcript.count - place
    return Ended(turn_id=turn_id, reason=finished.reason, sound=sound, error=finished.error, result=finished.result)


def _second(branches: Branches) -> object:
    return branches.known[1] if len(branches.known) > 1 else None


def _number(branch: str) -> int:
    return int(branch[1:])
