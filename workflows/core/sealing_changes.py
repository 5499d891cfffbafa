"""What changes a session because its past is sealed."""

from dataclasses import dataclass

from perdure.workflows.core.state.sealing import Cut
from perdure.workflows.protocol.sealing import Sealed


@dataclass(frozen=True, kw_only=True)
class SealingBegun:
    """What comes before the cut is being sealed."""

    cut: Cut


@dataclass(frozen=True, kw_only=True)
class PartSealed:
    """It lies in the blob store, and the session need not hold it."""

    sealed: Sealed


@dataclass(frozen=True)
class SealingFailed:
    """It is still the session's to hold."""
