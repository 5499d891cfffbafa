"""`perdure agents versions`: what there has been of an agent, by the gateway."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import httpx2
from rich.console import Console
from rich.text import Text

from perdure.temporal.app.console.gateway import GatewayAddress, problem_of
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import plain
from perdure.temporal.definitions.news import SHORT

_TIMEOUT_S: Final = 30
_STYLES: Final = {"+": "green", "-": "red"}


def show(name: str, limit: int, gateway: GatewayAddress) -> None:
    """Prints each version with what changed to the one before, the latest first. Raises `Refused`."""
    found = _ask(name, limit, gateway)
    console = Console(highlight=False, soft_wrap=True)
    for line in lines_of(found):
        console.print(line)
    uncounted = found["uncounted_sessions"]
    if uncounted:
        console.print(f"{_sessions(uncounted)} more: in the first turn, or without one since versions are counted")
    if found["next_cursor"] is not None:
        console.print("there are older versions: --limit shows more")


def lines_of(found: dict[str, Any]) -> Iterator[Text]:
    """What is told of the versions of an answer."""
    for version in found["versions"]:
        yield from _lines(version)


def _lines(version: dict[str, Any]) -> Iterator[Text]:
    seen = version["first_seen"][:16].replace("T", " ")
    head = [f"first seen {seen} UTC"]
    if version["sessions"] is not None:
        head.append(_sessions(version["sessions"]))
    if version["serving"]:
        head.append("serves now")
    yield Text.assemble((version["digest"][:SHORT], "bold"), "  " + ", ".join(head))
    changes = version["changes"]
    if version["before"] is None:
        yield Text("  the first that was seen", style="dim")
    elif changes is None:
        yield Text("  what changed cannot be told: another version of Perdure wrote it", style="dim")
    elif not changes:
        yield Text("  nothing that this version of Perdure knows has changed", style="dim")
    for change in changes or ():
        yield Text(f"  {plain(change['text'])}")
        for line in change["diff"]:
            yield Text(f"    {plain(line)}", style=_STYLES.get(line[:1], "dim"))


def _sessions(number: int) -> str:
    return f"{number} open {'session' if number == 1 else 'sessions'}"


def _ask(name: str, limit: int, gateway: GatewayAddress) -> Any:
    with httpx2.Client(base_url=gateway.url, headers=gateway.headers, timeout=_TIMEOUT_S) as http:
        try:
            answer = http.get(f"/v1/agents/{quote(name, safe='')}/versions", params={"limit": limit})
        except httpx2.TransportError as error:
            raise gateway.away(error) from None
    if not answer.is_success:
        raise Refused(problem_of(answer))
    return answer.json()
