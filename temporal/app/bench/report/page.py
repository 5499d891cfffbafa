"""The report page: one self-contained HTML file. Pure except for the style sheet beside this file.

Rule 1: missed targets are listed at the top, in words, before any section.
Rule 2: plots are drawn from rows and their details alone, so a page can be made from any report's JSON.
"""

from html import escape
from pathlib import Path
from typing import Final

from perdure.temporal.app.bench.report.report import TITLES, Group, Report, Row, number
from perdure.temporal.app.bench.report.sections import plots_of

#: The row that represents a group at the top: how its name begins and ends, and what it means to people.
_HEADLINES: Final[dict[Group, tuple[str, str, str]]] = {
    "tokens": ("added by Perdure, 1 at", "p50", "added to a token on its way to the reader, in the median"),
    "first": ("signal to request ÷ bare", "p50", "the time to the provider's request, against bare Temporal"),
    "stop": ("POST stop to closed", "p95", "from a stop to the provider's stream closed, 19 times of 20"),
    "history": ("bytes, turn", "", "the history of a late turn, against that of the tenth"),
    "idle": ("gateway and worker,", "with a viewer each", "to keep idle sessions open, each with a viewer"),
    "kill": ("all processes", "", "after a SIGKILL of everything, from ready to the interrupted step's next request"),
    "turns": ("turns/s ÷", "nothing, 8 at once", "the turns a second of bare Temporal with an empty activity"),
    "memory": ("memory a cached session ÷", "", "the memory of a cached bare workflow"),
    "replay": ("perdure replay ÷", "", "the time of the SDK's own Replayer, for the same histories"),
    "tools": ("a tool's call ÷", "p50", "the time of a bare activity that does the same"),
    "interrupted": ("`once`, took effect twice", "", "interrupted calls that took effect twice and must not"),
    "burst": ("messages refused,", "as it is", "messages refused in a burst"),
    "purses": ("round trips", "", "round trips to a user's budget for ten model calls"),
    "apart": ("added by Redis", "p50", "added to a token on its way from a worker to a gateway apart, in the median"),
    "neighbours": (
        "first token, tenants",
        "worst",
        "the worst first token of a person beside another tenant's busy sessions",
    ),
    "fleet": ("a turn ÷", "p95", "the provider's own time, for a turn among many, with workers and gateways apart"),
    "growth": ("time, turn", "", "the time of a late turn, against that of the sixtieth"),
}
_HOW: Final[dict[Group, str]] = {
    "tokens": "A provider on this machine writes into each token when it sent it. Three ways to read it: the "
    "provider's own stream, Perdure's events stream, and Temporal's workflow_streams. Lower and flatter is better.",
    "first": "From a user's message to the provider's request, through HTTP and by signal, beside a bare workflow "
    "that starts an empty activity on a signal. The three take turns.",
    "stop": "A stop by HTTP while an answer streams. What counts is when the provider sees its connection closed.",
    "history": "One session, turn after turn. Temporal stores and replays every event of a run, so a late turn must "
    "cost no more than an early one.",
    "idle": "Sessions at rest in one perdure dev, each with a real server-sent event stream open. CPU time is that of "
    "the processes, in percent of one core.",
    "kill": "Processes are killed mid-stream and restarted on the same data. Negative: the step reached its provider "
    "before the gateway reported that it was ready.",
    "turns": "Sessions talk as fast as they are answered. Beside them, bare workflows run one activity per turn on a "
    "worker with the same settings: one that does nothing, one that calls the same model. Rounds take turns.",
    "memory": "Perdure's worker and a bare one, each a process of its own. The process's own memory, at several "
    "numbers of cached sessions, each with a finished turn; what counts is the slope.",
    "replay": "The same files through perdure replay and through the SDK's Replayer, from the start of the processes "
    "to the last verdict.",
    "tools": "A session calls a tool in each step, and a bare workflow runs the same function as an activity, on the "
    "same server, taking turns. Times are the server's own: from a call's scheduling to that of what follows it.",
    "interrupted": "Processes are killed while tools run, before or after they took effect, and restarted on the same "
    "data. What the tools recorded is compared with the sessions' events.",
    "burst": "A message to each of many sessions at the same instant, each with a viewer; then one person, with a "
    "viewer, beside sessions without one that talk without a pause. Once with the current settings, once with the "
    "former ones.",
    "purses": "Many sessions of one user talk while there is enough to spend, and then while there is little. All "
    "processes are killed in between.",
    "apart": "The shipped worker and gateway, each a process of its own, beside a Redis, against perdure dev, which is one "
    "process; and a stop by HTTP at that gateway. Lower and flatter is better.",
    "neighbours": "Sessions of one tenant talk without a pause, beside a person of another. All of them have a viewer. Once "
    "where Temporal lets tenants take turns (matching.enableFairness), once where tasks run as they come.",
    "fleet": "Two workers and two gateways. A crowd has one turn each at the same time; one session has one viewer, then "
    "many; people talk while each process is restarted in turn, and go on at whichever gateway is there.",
    "growth": "One session, turn after turn, whose model has a small window. What it cost early and late, what a run hands "
    "to the next, what lies in the blob store, and how soon it is shown.",
}


def page(report: Report) -> str:
    """The whole page."""
    groups: list[Group] = [group for group in TITLES if any(row.group == group for row in report.rows)]
    cards = "".join(_card(report, group) for group in groups)
    sections = "".join(_section(report, group) for group in groups)
    kind = "A quick run: a look, not a result." if report.quick else "A full run."
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>perdure bench, {escape(report.started_at[:10])}</title><style>{style}</style></head><body><main>"
        "<h1>Perdure, measured</h1>"
        f'<p class="soft">{kind} {escape(_when(report))}. Every ratio is against bare Temporal or the '
        "provider itself, doing the same on the same machine in the same minutes.</p>"
        f'{_verdict(report)}<div class="cards">{cards}</div>{sections}{_machine(report)}</main></body></html>\n'
    )


def _when(report: Report) -> str:
    minutes, seconds = divmod(round(report.took_s), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{report.started_at[:16].replace('T', ' ')} UTC, {took}, {report.machine['cores']} cores"


def _verdict(report: Report) -> str:
    aimed = [row for row in report.rows if row.met is not None]
    if not aimed:
        return ""
    met = len(aimed) - len(report.missed)
    summary = f"<strong>{met} of {len(aimed)} targets met.</strong>"
    if report.missed:
        missed = "".join(f"<li>{escape(row.name)}: {_value(row)}, target {_target(row)}</li>" for row in report.missed)
        summary += f" Missed:<ul>{missed}</ul>"
    return f'<div class="verdict">{summary}</div>'


def _card(report: Report, group: Group) -> str:
    begins, ends, what = _HEADLINES[group]
    named = [row for row in report.rows if row.group == group and row.name.startswith(begins)]
    row = next((row for row in named if row.name.endswith(ends)), None)
    if row is None:
        return ""
    aim = f"<span>{_target(row)}</span>" if row.target else "<span>no target</span>"
    return (
        f'<a class="card" href="#{group}"><span class="figure">{_figure(row)}</span>'
        f'<span class="what">{escape(what)}</span><span class="aim">{aim}{_pill(row)}</span></a>'
    )


def _section(report: Report, group: Group) -> str:
    rows = [row for row in report.rows if row.group == group]
    plots = "".join(plots_of(group, rows))
    lines = "".join(
        f'<tr><td>{escape(row.name)}</td><td class="number"><b>{_value(row)}</b></td>'
        f'<td class="aimed">{_target(row)}</td><td>{_pill(row)}</td></tr>'
        for row in rows
    )
    title = TITLES[group]
    return (
        f'<section id="{group}"><h2>{escape(title[0].upper() + title[1:])}</h2><p class="how">{escape(_HOW[group])}</p>'
        + (f'<div class="figures">{plots}</div>' if plots else "")
        + '<table><thead><tr><th></th><th class="number">measured</th><th>target</th><th></th></tr></thead>'
        f"<tbody>{lines}</tbody></table></section>"
    )


def _machine(report: Report) -> str:
    versions = report.machine["versions"]
    assert isinstance(versions, dict)
    facts = {
        "machine": f"{report.machine['cores']} cores, {report.machine['system']}",
        "Python": str(report.machine["python"]),
        **{name: str(version or "not installed") for name, version in versions.items()},
        "load before": " ".join(f"{load:.2f}" for load in report.load_before),
        "load after": " ".join(f"{load:.2f}" for load in report.load_after),
    }
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return (
        "<section><h2>Machine and versions</h2><p>Measured with <code>perdure bench</code>; the provider is a program on "
        f"the same machine, so no network and no model is in any figure.</p><dl>{lines}</dl></section>"
    )


def _figure(row: Row) -> str:
    if row.value is None:
        return "not measured"
    unit = "×" if row.unit == "times" else row.unit
    return f"{number(row.value)}<small> {escape(unit)}</small>"


def _value(row: Row) -> str:
    if row.value is None:
        return "not measured"
    return f"{number(row.value)} {escape('×' if row.unit == 'times' else row.unit)}"


def _target(row: Row) -> str:
    return f"{row.target.bound} {number(row.target.value)}" if row.target else ""


def _pill(row: Row) -> str:
    if row.met is None:
        return ""
    word = "met" if row.met else "missed"
    return f'<span class="pill {word}">{word}</span>'
