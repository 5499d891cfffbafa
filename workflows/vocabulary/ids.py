"""Ids that a session makes, and the only place where they are taken apart again.

| of a | looks like | made of |
|---|---|---|
| turn | `t7` | its number |
| step | `t7.s2` | its turn, and its number in the turn |
| tool call | `t7.s2.c1` | its step, and its number in the answer |
| activity of a model call | `t7.s2`, `t7.s2.model2` | its step, and the place of the model in the step's route |
| activity of a call | `t7.s2.c1`, `t7.s2.c1.fallback`, `t7.s2.c1.again2` | its call, and why it is not the first |
| call that takes another back | `t7.s2.c1.undo`, `t7.s2.c1.undo2` | that call, and how often that was tried |
| branch | `b2` | its number |
| question | `t7.s2.c1.approval`, `t7.s2.c1.input2` | its call; what is asked says its `form`, never its id |
| timer | `t7.s2.c1.timer` | the call that set it |
| compaction | `k3` | its number in the session |
| call that a handler makes | `t7.s0.c1` | its turn, and its number in the handler's run |
| timer that a handler waits for | `t7.wait` | the turn that it ended |
| question that a handler asks | `t7.ask` | the same |
| text that a handler says | `t7.say1` | the same |
| sub-agent's session | `parent~t7.s2.c1` | the session and the call that it answers |

All of them are deterministic and unique in a session for ever.
"""

import hashlib
import re
from typing import Final

#: Ids of sessions are at most this long.
_MAX_SESSION_ID: Final = 200
#: `parent~t1.s1.c1`, and of a parent with a long id its first 160 characters and a hash.
_SUB_SESSION: Final = re.compile(r".*~t[0-9]+\.s[0-9]+\.c[0-9]+|.{160}~[0-9a-f]{32}")
_TURN: Final = re.compile(r"t([1-9][0-9]*)")
_COMPACTION: Final = re.compile(r"k([1-9][0-9]*)")
#: What follows a call's id in the ids of its later activities.
_LATER: Final = re.compile(r"\.(fallback|again\d+)$")


def turn_id(number: int) -> str:
    return f"t{number}"


def turn_number(turn: str) -> int | None:
    """The number of the turn with this id; None where it is not a turn's id."""
    found = _TURN.fullmatch(turn)
    return int(found[1]) if found else None


def step_id(turn: str, number: int) -> str:
    return f"{turn}.s{number}"


def compaction_id(number: int) -> str:
    """The id of the model call that summarises the older part of a conversation for the `number`th time."""
    return f"k{number}"


def is_compaction(step: str) -> bool:
    """Whether a model call belongs to no turn, because it summarises."""
    return _COMPACTION.fullmatch(step) is not None


def summary_id(of: str) -> str:
    """The id of the message that a summary is shown in."""
    return f"{of}.summary"


def step_number(step: str) -> str:
    """The number of a step in its turn, as text."""
    return step.rpartition(".s")[2]


def model_activity(step: str, hop: int) -> str:
    """The activity of a step's model call; `hop` is the place of the model in the step's route, from 0."""
    return f"{step}.model{hop + 1}" if hop else step


def step_order(step: str) -> tuple[int, int]:
    """Sorts the ids of a session's steps by when they began."""
    turn, _, number = step.partition(".s")
    return turn_number(turn) or 0, int(number)


def call_id(step: str, number: int) -> str:
    """The id of the `number`th tool call of a step's answer, counted from 1."""
    return f"{step}.c{number}"


def handler_call_id(turn: str, number: int) -> str:
    """The id of the `number`th tool call that a handler makes by itself. No step has the number 0."""
    return call_id(step_id(turn, 0), number)


def wait_id(turn: str) -> str:
    """The id of the timer that a handler waits for, which ended this turn."""
    return f"{turn}.wait"


#: With which the ids of answers begin that clients give by their runs; see the AG-UI routes.
RUN_ANSWER: Final = "run:"


def ask_id(turn: str) -> str:
    """The id of the question that a handler waits for, which ended this turn."""
    return f"{turn}.ask"


def said_id(turn: str, number: int) -> str:
    """The id of the `number`th message that a handler says by itself."""
    return f"{turn}.say{number}"


def call_number(call: str) -> str:
    """The number of a call in its step's answer, as text."""
    return call.rpartition(".c")[2]


def step_of(call: str) -> str:
    """The step whose answer holds this call."""
    return call.rpartition(".c")[0]


def turn_of(id: str) -> str:  # noqa: A002
    """The turn that a step, a call or an activity belongs to."""
    return id.partition(".")[0]


def day_id(message: str) -> str:
    """The id of the line on the day before a message, which only models are shown."""
    return f"{message}.day"


def fallback_activity(call: str) -> str:
    return f"{call}.fallback"


def later_activity(call: str, round: int) -> str:  # noqa: A002
    """The activity of a call that goes on: its server has asked `round` times, or (0) it was asked about again."""
    return f"{call}.again{round}"


def call_of_activity(activity: str) -> str:
    """The call that an activity carries out: of `t1.s1.c1.fallback` and `t1.s1.c1.again2`, `t1.s1.c1`."""
    return _LATER.sub("", activity)


def undo_id(call: str, number: int = 1) -> str:
    """The id of the call that takes another back. `number` tells it from those that failed to before."""
    return f"{call}.undo{number if number > 1 else ''}"


def branch_id(number: int) -> str:
    """The id of a session's `number`th branch, counted from 1."""
    return f"b{number}"


def question_id(call: str, asks: str, number: int = 1) -> str:
    """The id of what a call asks. `asks` is a word for it; `number` tells it from the same call's earlier ones."""
    return f"{call}.{asks}{number if number > 1 else ''}"


def timer_id(call: str) -> str:
    return f"{call}.timer"


def wake_up_id(timer: str) -> str:
    """The id of the message that a timer which fires adds."""
    return f"{timer}.fired"


def rewound_id(branch: str, seq: int) -> str:
    """The id of the note that a branch is given when it goes on after the event `seq`."""
    return f"{branch}.note{seq}"


def nudge_id(step: str) -> str:
    """The id of the message that closes a step's request."""
    return f"{step}.nudge"


def close_id(call: str) -> str:
    """The id of the command that closes the session which answers a call."""
    return f"{call}.close"


def supersede_id(call: str) -> str:
    """The id of the command that tells the session which answers a call that nobody will answer its questions."""
    return f"{call}.supersede"


def sub_session_id(session: str, call: str) -> str:
    """The id of the session that answers a call. One that would be too long keeps only its beginning."""
    made = f"{session}~{call}"
    if len(made) <= _MAX_SESSION_ID:
        return made
    return f"{session[: _MAX_SESSION_ID - 40]}~{hashlib.sha256(made.encode()).hexdigest()[:32]}"


def free_session_id(session: str) -> str:
    """`session`, if a caller may name a new session so. Raises ValueError.

    Otherwise a stranger's session could lie where a sub-agent's is expected.
    """
    if _SUB_SESSION.fullmatch(session) is not None:
        raise ValueError("has the form of a sub-agent's session's id; choose one that does not end so")
    return session
