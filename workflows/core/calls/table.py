"""Which stage of a call may follow which, and the picture of that."""

from typing import Final

from perdure.workflows.core.calls.call import Stage, StageName

#: Stages that may follow each stage, with what leads there. From each of them, `tool.finished` ends the call.
TRANSITIONS: Final[dict[StageName, dict[StageName, str]]] = {
    "undecided": {
        "ready": "allowed",
        "refused": "not to be run",
        "here": "the session's own tool",
        "asking": "an approval or a result is needed",
    },
    "ready": {"running": "there is room"},
    "refused": {},
    "here": {},
    "asking": {"asked": "the question is put", "ready": "its tool is gone"},
    "asked": {"answered": "settled"},
    "answered": {"ready": "approved, or its server is answered", "asking": "its server wants to know more"},
    "running": {
        "ready": "more is to be done",
        "asking": "its server asks, its outcome is unknown, or its tool has changed",
        "running": "its time is over",
        "ending": "told to end",
    },
    "ending": {},
}


def check(before: Stage, after: Stage) -> None:
    """Raises ValueError where a call cannot go from the one to the other."""
    if after.at not in TRANSITIONS[before.at]:
        raise ValueError(f"a call that is {before.at} does not fit {after.at}")


def drawing() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> undecided: the model asks for it"]
    for stage, following in TRANSITIONS.items():
        lines += [f"    {stage} --> {after}: {why}" for after, why in following.items()]
        lines.append(f"    {stage} --> [*]: tool.finished")
    return "\n".join(lines)
