"""What becomes of a message that comes while its session works."""

from typing import Literal

#: `queue`: it waits for its turn. `steer`: it joins the turn that runs, before the next step. `interrupt`: it stops that
#: turn, and its own is next. `reject`: it is not taken.
Busy = Literal["queue", "steer", "interrupt", "reject"]
#: Why a message goes before those that wait.
Ahead = Literal["steer", "interrupt"]
