"""What the end of an answer means for its turn. Pure.

Rule 1: calls run only if their answer ended well; those of one that was cut, filtered, refused or paused never do, and are
told why.
Rule 2: a turn is done only if its last answer has a text and ended for a good reason.
Rule 3: an answer whose calls did not run, and an empty one, have one further step, once for each in a row of such answers.
Rule 4: an answer that is not of the form that the definition asks for has two further steps, in which the model is told what
is wrong.
"""

from typing import Final, Literal

from perdure.workflows.protocol.steps import Nudge
from perdure.workflows.vocabulary.errors import (
    ANSWER_CUT,
    ANSWER_FILTERED,
    ANSWER_INVALID,
    ANSWER_PAUSED,
    ANSWER_REFUSED,
    ANSWER_REPEATED,
    EMPTY_ANSWER,
    STOP_UNKNOWN,
    TOOL_STOPPED,
)
from perdure.workflows.vocabulary.parts import Part, Reasoning, StopReason, Text, ToolCall, ToolError

#: An answer after which its model is asked once more: its calls did not run; it held neither text nor call; it repeated
#: itself without end; it was not of the form that is asked for.
Odd = Literal["not_run", "empty", "repetition", "misfit"]
#: Times that a model is asked again in a row, by what was odd.
_TIMES: Final[dict[Odd, int]] = {"not_run": 1, "empty": 1, "repetition": 1, "misfit": 2}

#: What ends an answer well.
GOOD: Final[frozenset[StopReason]] = frozenset(["end", "stop_sequence", "tool_calls"])
#: What the model is told in a request that has to go on from an odd answer.
NUDGES: Final[dict[Nudge, str]] = {
    "empty": "(Your last answer was empty: it held neither text nor a tool call. Answer now.)",
    "thought": "(Your last answer was empty: the output limit was reached while you were thinking. Think less, and answer "
    "now.)",
    "pause": "(Your answer was paused. Go on where it ended.)",
    "repetition": "(Your last answer repeated itself without end and was cut. Say what is to be said once, or do something "
    "else.)",
    "window": "(Your last answer was cut, because it filled your context window. There is room now: go on where it ended.)",
    "time": "(Your last answer was cut, because the time for it was used up. There is time now: go on where it ended.)",
    "misfit": "(Your last answer does not have the form that is asked for. What is wrong with it: {misfit}. Answer again, "
    "with the whole JSON object and nothing else.)",
}
#: Error type, what happened, and what a model can do about it.
_NOT_RUN: Final[dict[StopReason, tuple[str, str, str]]] = {
    "max_tokens": (
        ANSWER_CUT,
        "the answer was cut by the output limit",
        "Write less before the call, or make the call with shorter arguments.",
    ),
    "context_window": (ANSWER_CUT, "the answer was cut, for the context window is full", "Write less."),
    "refusal": (ANSWER_REFUSED, "the answer was refused", ""),
    "content_filter": (ANSWER_FILTERED, "the answer was cut by the provider's content filter", ""),
    "pause": (ANSWER_PAUSED, "the answer was paused before its end", "Make the call again if it is still needed."),
    "stopped": (
        TOOL_STOPPED,
        "the answer was cut, because the turn's working time was used up",
        "Make the call again if it is still needed.",
    ),
    "repetition": (ANSWER_REPEATED, "the answer repeated itself without end and was cut", "Do something else."),
}
_UNKNOWN: Final = (
    STOP_UNKNOWN,
    "the answer ended for an unknown reason and may not be whole",
    "Make the call again if it is still needed.",
)


def not_run(stop: StopReason | None) -> ToolError | None:
    """The result of the calls of an answer that ended so; None: they may run."""
    if stop is None or stop in GOOD:
        return None
    kind, why, advice = _NOT_RUN.get(stop, _UNKNOWN)
    return ToolError(type=kind, message=f"not run: {why}. {advice}".rstrip())


def oddity(parts: tuple[Part, ...], stop: StopReason, misfit: str | None = None) -> Odd | None:
    """Whether an answer of these parts that ended so asks for a further step. `misfit`: why it is not of the form that is
    asked for."""
    if stop in ("refusal", "content_filter", "stopped", "error"):
        return None
    if stop == "repetition":
        return "repetition"
    if any(isinstance(part, ToolCall) for part in parts):
        return None if stop in GOOD else "not_run"
    if is_blank(parts):
        return "empty"
    return "misfit" if misfit is not None and stop in GOOD else None


def is_blank(parts: tuple[Part, ...]) -> bool:
    """Nothing that a reader could call an answer; what a model thought is none."""
    return not any(part.text.strip() if isinstance(part, Text) else not isinstance(part, Reasoning) for part in parts)


def nudge_after(stop: StopReason | None, odd: tuple[Odd, ...]) -> Nudge | None:
    """What the next request adds, so that the model goes on."""
    if odd and odd[-1] == "empty":
        return "thought" if stop == "max_tokens" else "empty"
    if odd and odd[-1] == "repetition":
        return "repetition"
    if odd and odd[-1] == "misfit":
        return "misfit"
    if stop == "context_window" and not odd:
        return "window"
    if stop == "stopped":
        return "time"
    return "pause" if stop == "pause" and not odd else None


def told(nudge: Nudge, misfit: str | None) -> str:
    """What a request says at its end. `misfit`: what is wrong with the answer before it."""
    return NUDGES[nudge].replace("{misfit}", misfit or "")


def goes_on(stop: StopReason | None, odd: tuple[Odd, ...]) -> bool:
    """Whether the model is asked again after its last answer, whose calls have their results. `odd` are the odd answers
    in a row that ended with it; none: it was not odd. A turn that is being stopped is not asked about here."""
    if odd:
        return odd.count(odd[-1]) <= _TIMES[odd[-1]]
    return stop in (None, "tool_calls", "pause", "stopped")


def fault(
    stop: StopReason, odd: tuple[Odd, ...], *, role: str, limit: int | None, word: str | None, misfit: str | None = None
) -> ToolError | None:
    """Why a turn that does not go on has failed; None: it is done. `role` is the model's, with `limit` tokens of output at
    most; `word` is the provider's own for an unknown end; `misfit` says why the last answer is not of the form that is asked
    for."""
    most = "its output limit" if limit is None else f"max_output_tokens ({limit}) of the model role {role!r}"
    if odd and odd[-1] == "empty":
        reached = f" The last one reached {most} before it had said anything." if stop == "max_tokens" else ""
        return ToolError(
            type=EMPTY_ANSWER,
            message=f"The model gave an empty answer, also when it was asked once more.{reached}",
            retryable=True,
        )
    if odd and odd[-1] == "misfit":
        message = (
            f"The answer is not of the form that `answer` asks for, also when the model was asked again: {misfit}."
        )
        return ToolError(type=ANSWER_INVALID, message=message, retryable=True)
    again = ", as was the one before, and no tool call of them ran" if odd else ""
    match stop:
        case "end" | "stop_sequence" | "tool_calls" if not odd:
            return None
        case "max_tokens":
            return ToolError(type=ANSWER_CUT, message=f"The answer was cut at {most}{again}.", retryable=True)
        case "repetition":
            message = "The model repeated itself without end, also when it was asked once more, and was cut."
            return ToolError(type=ANSWER_REPEATED, message=message, retryable=True)
        case "context_window":
            message = (
                f"The answer was cut{again}: the conversation fills the model's context window. Send less, or use a model "
                "with a larger one."
            )
            return ToolError(type=ANSWER_CUT, message=message)
        case "refusal":
            return ToolError(type=ANSWER_REFUSED, message="The model refused to answer.")
        case "content_filter":
            return ToolError(type=ANSWER_FILTERED, message="The provider's content filter cut the answer.")
        case "pause":
            message = "The model paused its answer again, and its tool calls did not run."
            return ToolError(type=ANSWER_PAUSED, message=message, retryable=True)
        case _:
            named = f" {word!r}" if word else ""
            return ToolError(
                type=STOP_UNKNOWN,
                message=f"The answer ended for a reason that is not known{named}, so it may not be whole.",
                retryable=True,
            )
