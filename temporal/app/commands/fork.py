"""`perdure fork`: a new session from any turn of another, straight through Temporal.

Rule: without `--agent`, the definition is the one that the session itself would run next; nothing is read from this
machine's folders. A gateway that sees a newer one brings it with the next message, as it does for any session.
"""

from pathlib import Path
from typing import Final

import typer
from pydantic import ValidationError

from perdure.temporal.app.console.direct import Direct, reach, run
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import one_line
from perdure.temporal.app.processes.sources import Sources, agent_folders, usual_sources
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.definitions.endpoints import missing_key
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.sessions.requests import ForkSession
from perdure.temporal.sessions.session import Session
from perdure.temporal.sessions.validation import from_validation
from perdure.workflows.vocabulary.parts import Text

#: Fields of the request, and the options that give them.
_OPTIONS: Final = {"turn_id": "--turn", "agent": "--agent", "model": "--model", "text": "--text"}
#: Turns that are listed, and characters of each.
_TURNS: Final = 20
_WORDS: Final = 60


def fork(
    session: str,
    turn: str,
    agent: str | None,
    model: str | None,
    text: str | None,
    agents: list[Path] | None,
    tools: list[str] | None,
    models: Path | None,
    tenant: str,
    data_dir: Path | None,
) -> None:
    """Starts a new session from a turn of another, and prints its id."""
    try:
        wanted = ForkSession(turn_id=turn, agent=agent, model=model, text=text)
    except ValidationError as error:
        wrong = from_validation([{**one, "loc": ("option", *one["loc"])} for one in error.errors()])
        raise Refused(by_option(wrong.detail)) from None
    folders = agents, tools, models
    if agent is None and any(folders):
        raise Refused("--agents, --tools and --models say where --agent is defined; give --agent")

    async def work() -> str:
        to = await reach(tenant, data_dir)
        # What is too big for a message to Temporal goes to the blob store, where the worker must find it.
        to.need_blobs()
        source = to.session(session)
        definitions = None if agent is None else await _published(to, usual_sources(*folders), source)
        return (await source.fork(wanted, definitions)).session_id

    try:
        typer.echo(run(work()))
    except Refused as refused:
        turns = run(_turns(session, tenant, data_dir)) if str(refused).startswith("turn_id: ") else ""
        raise Refused(by_option(str(refused)) + turns) from refused


def by_option(problem: str) -> str:
    """`problem`, which begins with a field of the request, with the option's name in its place."""
    field, colon, rest = problem.partition(": ")
    return f"{_OPTIONS[field]}{colon}{rest}" if field in _OPTIONS else problem


async def _turns(session: str, tenant: str, data_dir: Path | None) -> str:
    """The last turns of a session by their messages, a line each."""
    to = await reach(tenant, data_dir)
    _, messages = await to.session(session).pages()
    said: dict[str, str] = {}
    for message in messages:
        words = " ".join(part.text for part in message.parts if isinstance(part, Text))
        if message.turn_id is not None:
            said.setdefault(message.turn_id, words)
    lines = [f"  {turn:<5} {one_line(words, _WORDS)}" for turn, words in said.items()]
    return "; its turns are:\n" + "\n".join(lines[-_TURNS:]) if lines else "; it has none yet"


async def _published(to: Direct, sources: Sources, source: Session) -> Definitions:
    """The definitions of these folders, where the worker finds them by digest."""
    demo = (await source.facts()).demo
    catalogue = load_catalogue(sources.tools)
    definitions = Definitions(
        agent_folders(sources.agents, to.settings, catalogue),
        sources.models,
        blobs=to.blobs,
        tool_names=frozenset(catalogue.names),
        tools_digest=catalogue.digest,
        # A session on the demo model is one of a `dev` without keys, which runs every agent of that provider so.
        demo_for=(lambda model: missing_key(model) is not None) if demo else None,
    )
    for problem in definitions.problems:
        typer.echo(f"warning: {problem}", err=True)
    await definitions.publish()
    return definitions
