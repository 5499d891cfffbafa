"""The codes of problems, made from the table that answers them."""

from perdure.gateway.http.problems import KINDS


def reference() -> str:
    lines = ["| code | status | meaning |", "|---|---|---|"]
    lines += [f"| `{code}` | {kind.status} | {kind.title} |" for code, kind in KINDS.items()]
    return "\n".join(lines)
