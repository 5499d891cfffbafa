"""What the sessions of one service share."""

from dataclasses import dataclass

from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.answers import EditArguments
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.branch_reader import BranchReader
from perdure.temporal.sessions.erase import Eraser
from perdure.temporal.sessions.queued import Queued
from perdure.temporal.sessions.rewinding import Rewinder
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.sending import Sender
from perdure.temporal.sessions.trace import RebuildRequest
from perdure.temporal.sessions.triggering import Triggerer
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Collaborators:
    backend: Backend
    sender: Sender
    triggerer: Triggerer
    queued: Queued
    eraser: Eraser
    blobs: BlobStore
    sealed: Sealed
    definitions: Definitions
    live: LivePublisher
    settings: Settings
    edit_arguments: EditArguments
    rebuild_request: RebuildRequest
    rewinder: Rewinder
    branches: BranchReader
