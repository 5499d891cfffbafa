"""The stages of a tool call, made from the table of transitions."""

from perdure.workflows.core.calls.table import TRANSITIONS


def reference() -> str:
    lines = ["| stage | may become |", "|---|---|"]
    for stage, following in TRANSITIONS.items():
        after = [f"`{name}` ({why})" for name, why in following.items()]
        lines.append(f"| `{stage}` | {', '.join([*after, 'finished'])} |")
    return "\n".join(lines)
