"""A session with a sealed past, asked without Temporal as a gateway asks it; and its twin that holds all of it."""

from pathlib import Path
from typing import Any, cast

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.core import answers
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.queries import EventsPage
from perdure.workflows.session import SessionWorkflow
from tests.support.twins import Twins

SESSION = "acme/s1"


class Asked:
    """Answers queries from a state."""

    def __init__(self, state: SessionState) -> None:
        self.state = state

    async def query(self, session: str, method: object, arg: Any) -> object:
        match method:
            case SessionWorkflow.snapshot:
                return answers.snapshot(self.state, session, arg)
            case SessionWorkflow.trace:
                return answers.trace(self.state, arg)
            case SessionWorkflow.past:
                return answers.past(self.state, arg)
            case SessionWorkflow.model_input:
                return answers.model_input(self.state, arg)
            case _:
                raise AssertionError(f"nobody answers {method}")

    async def events(self, session: str, after: int) -> EventsPage:
        return answers.events(self.state, after)


def asked(state: SessionState) -> Backend:
    return cast(Backend, Asked(state))


async def stored(twins: Twins, folder: Path) -> tuple[LocalBlobs, Sealed]:
    """The blob store that the sealing twin's blobs lie in."""
    blobs = LocalBlobs(folder)
    for sha256, data in twins.blobs.items():
        await blobs.put(f"{SESSION}/{sha256}", data)
    return blobs, Sealed(blobs)


def lived(seed: int, turns: int = 40) -> Twins:
    """Twins that have had so many turns, and rest."""
    twins = Twins(seed)
    while twins.whole.state.turns < turns:
        twins.happen()
    twins.rest()
    assert twins.sealing.state.log.segments
    return twins
