"""What happens to a message that arrives while its session works."""

from typing import Literal

#: `queue`: it waits for its turn. `steer`: it joins the running turn before its next step. `interrupt`: it stops that
#: turn, and its own is next. `reject`: it is refused.
Busy = Literal["queue", "steer", "interrupt", "reject"]
#: Why a message goes ahead of those that wait.
Ahead = Literal["steer", "interrupt"]
