"""What a check finds in a definition that has been read."""

from dataclasses import dataclass
from typing import Literal

from perdure.temporal.schemas.yaml_source import Loc


@dataclass(frozen=True, slots=True)
class Finding:
    loc: Loc
    message: str
    #: Further values from which it follows: where one of them could not be read, it may be wrong.
    rests_on: tuple[Loc, ...] = ()
    #: Only a fault refuses the definition. `warning`: it is odd, and likely a mistake. `advice`: it is allowed, and unwise.
    #: `unchecked`: what cannot be known where it is read.
    kind: Literal["fault", "warning", "advice", "unchecked"] = "fault"
