"""The list of sessions as a terminal shows it: two lines each, which fit into 80 columns. Pure.

The first line tells sessions apart, the second says what they are about. An id is there to be copied, so it is never cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from rich.text import Text

from perdure.temporal.app.console.terminal import one_line

Session = Mapping[str, Any]

_STYLES: Final = {"working": "green", "waiting": "yellow", "closed": "dim"}
_HEADINGS: Final = ("session", "status", "agent", "age", "cost")
_LONGEST_AGENT: Final = 16
_LONGEST_USER: Final = 24
_SHORTEST_TITLE: Final = 20
_MINUTE, _HOUR, _DAY = 60, 3600, 24 * 3600


def session_rows(sessions: Sequence[Session], now: datetime, width: int) -> Iterator[Text]:
    """A heading, then two lines for each entry of the list of sessions; `width` columns hold a second line."""
    cells = [_cells(session, now) for session in sessions]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *cells, strict=True)]
    yield Text(_joined(_HEADINGS, widths), style="dim")
    for session, row in zip(sessions, cells, strict=True):
        line = Text(_joined(row, widths))
        status = widths[0] + 2
        line.stylize(_STYLES.get(row[1], ""), status, status + len(row[1]))
        yield line
        yield Text(f"  {_about(session, width - 2)}", style="dim" if row[1] == "closed" else "")


def age(passed: timedelta) -> str:
    """How long ago in its largest unit: `now`, `5 min`, `3 h`, `12 d`."""
    seconds = int(passed.total_seconds())
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return "now"


def _cells(session: Session, now: datetime) -> tuple[str, ...]:
    return (
        one_line(session["session_id"]),
        session["status"],
        one_line(session["agent"] or "", _LONGEST_AGENT),
        age(now - datetime.fromisoformat(session["created_at"])),
        f"${session['cost_usd']:.4f}" if session["cost_usd"] else "",
    )


def _about(session: Session, width: int) -> str:
    user = f", {one_line(session['user'], _LONGEST_USER)}" if session["user"] else ""
    rest = f"{user}{' (demo)' if session['demo'] else ''}"
    title = one_line(session["title"], max(width - len(rest), _SHORTEST_TITLE)) or "(no title)"
    return f"{title}{rest}"


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
