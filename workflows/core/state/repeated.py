"""A tool call that a turn has made, and what came of it, so that a loop is noticed."""

from dataclasses import dataclass
from typing import Final

from perdure.workflows.core.state.record import Record

#: Different calls of one turn that are remembered.
KEPT: Final = 512


@dataclass(frozen=True, kw_only=True)
class Repeated(Record):
    #: Hash of the last result.
    result: str
    #: How often in a row it was this one.
    times: int = 1
    #: The call was asked for again after that, and did not run.
    refused: bool = False
