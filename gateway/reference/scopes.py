"""What principals may be allowed to do, made from the table of scopes."""

from perdure.temporal.sessions.scopes import OTHER_SCOPES, SESSION_SCOPES


def reference() -> str:
    lines = ["| scope | allows |", "|---|---|"]
    lines += [f"| `session:{act}` | {about} |" for act, about in SESSION_SCOPES.items()]
    lines += [f"| `{scope}` | {about} |" for scope, about in OTHER_SCOPES.items()]
    return "\n".join(lines)
