"""`perdure sessions rewind`, `retry` and `branches`: straight through Temporal, by the session's worker."""

from pathlib import Path
from typing import Final

import typer
from pydantic import ValidationError
from rich.console import Console

from perdure.temporal.app.console.direct import reach, run
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import one_line
from perdure.temporal.sessions.requests import RetryTurn, RewindSession
from perdure.temporal.sessions.validation import from_validation
from perdure.workflows.core.last_words import last_words
from perdure.workflows.protocol.branch_queries import BranchesPage
from perdure.workflows.vocabulary.parts import Message

#: Fields of the requests, and the options that give them.
_OPTIONS: Final = {"message_id": "--message", "branch": "--branch", "text": "--text", "model": "--model"}
#: Messages that are listed, and characters of each.
_MESSAGES: Final = 20
_WORDS: Final = 70


def rewind(
    session: str,
    message: str | None,
    branch: str | None,
    text: str | None,
    model: str | None,
    undo: bool | None,
    tenant: str,
    data_dir: Path | None,
) -> None:
    """Lets the conversation go on from a message, or on an earlier branch, and says on which one."""
    if message is None and branch is None:
        raise Refused(
            "name a message with --message, or a branch with --branch" + run(_messages(session, tenant, data_dir))
        )
    try:
        wanted = RewindSession(message_id=message, branch=branch, text=text, model=model, undo=undo)
    except ValidationError as error:
        wrong = from_validation([{**one, "loc": ("option", *one["loc"])} for one in error.errors()])
        raise Refused(_by_option(wrong.detail)) from None

    async def work() -> str:
        to = await reach(tenant, data_dir)
        # A long text goes to the blob store, where the worker must find it.
        to.need_blobs()
        return (await to.session(session).rewind(wanted)).branch

    try:
        gone = run(work())
    except Refused as refused:
        raise Refused(_by_option(str(refused))) from refused
    typer.echo(f"{gone} goes on")
    asked = run(_asked(session, tenant, data_dir))
    if asked:
        typer.echo(asked)


def retry(session: str, model: str | None, tenant: str, data_dir: Path | None) -> None:
    """Runs the last turn on, which failed or was stopped, and says which turn that is."""

    async def work() -> str:
        to = await reach(tenant, data_dir)
        retried = await to.session(session).retry(RetryTurn(model=model))
        return f"{retried.turn_id} goes on"

    typer.echo(run(work()))


def branches(session: str, tenant: str, data_dir: Path | None) -> None:
    """Lists the branches, a line each, with `*` before the one that goes on."""

    async def work() -> BranchesPage:
        to = await reach(tenant, data_dir)
        return await to.session(session).branches()

    page = run(work())
    console = Console(highlight=False, soft_wrap=True)
    for line in page.branches:
        mark = "*" if line.branch == page.current else " "
        place = "" if line.parent is None else f", from {line.parent} after {line.position}"
        console.print(
            f"{mark} {line.branch:<5} {line.messages} messages{place}  {one_line(line.words, _WORDS)}", markup=False
        )


async def _messages(session: str, tenant: str, data_dir: Path | None) -> str:
    """The last messages that can be gone back to, a line each."""
    to = await reach(tenant, data_dir)
    _, messages = await to.session(session).pages()
    lines = [f"  {message.id:<12} {one_line(_said(message), _WORDS)}" for message in messages if message.role != "tool"]
    return "; its messages are:\n" + "\n".join(lines[-_MESSAGES:]) if lines else "; it has no messages yet"


def _said(message: Message) -> str:
    return f"{message.role}: {last_words(message)}"


async def _asked(session: str, tenant: str, data_dir: Path | None) -> str:
    """What the session asks before it rewinds; empty: nothing."""
    to = await reach(tenant, data_dir)
    questions = [one for one in await to.session(session).questions() if one.subject == "rewind"]
    return "".join(f"it waits for an answer: {one.prompt}" for one in questions[:1])


def _by_option(problem: str) -> str:
    """`problem`, which begins with a field of the request, with the option's name in its place."""
    field, colon, rest = problem.partition(": ")
    return f"{_OPTIONS[field]}{colon}{rest}" if field in _OPTIONS else problem
