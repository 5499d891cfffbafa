"""`perdure chat`: a conversation in the terminal, over the gateway's HTTP.

Rule: the id of a session is made here, so that what is sent again after a lost answer happens once. Only what was asked first
may fail for good.
"""

import uuid
from typing import Any, Final

from rich.console import Console

from perdure.client import errors
from perdure.temporal.app.chat.conversation import Conversation
from perdure.temporal.app.chat.lines import read_line
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import GatewayAddress, problem_of
from perdure.temporal.app.console.local_zone import local_zone
from perdure.temporal.app.console.refused import Refused

#: Messages shown of a session that is taken up again.
_LAST: Final = 6


def chat(session: str | None, agent: str, gateway: GatewayAddress) -> None:
    """Takes up `session`, or begins a new one of `agent`, and talks until the person leaves. Raises `Refused`."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    with Connection(gateway) as connection:
        try:
            conversation = _take_up(connection, console, session) if session else _begin(connection, console, agent)
        except errors.Unreachable as error:
            raise gateway.away(error.__cause__ or error) from None
        converse(conversation)
        console.print(
            f"\nperdure chat {conversation.session}{gateway.options} takes this session up again", style="dim"
        )


def converse(conversation: Conversation) -> None:
    """Reads lines until the input ends, the session is closed or Ctrl-C is pressed while nothing runs."""
    try:
        with conversation.hears_ctrl_c():
            conversation.follow()
            while not conversation.closed:
                conversation.obey(read_line(input("> ")))
                conversation.follow()
    except (EOFError, KeyboardInterrupt):
        pass


def _begin(connection: Connection, console: Console, agent: str) -> Conversation:
    zone = local_zone()
    metadata: dict[str, Any] = {} if zone is None else {"metadata": {"timezone": zone}}
    answer = connection.ask_once("POST", "/v1/sessions", {"agent": agent, "session_id": uuid.uuid4().hex, **metadata})
    if answer.status_code not in (200, 201):
        raise Refused(problem_of(answer))
    session = answer.json()["session_id"]
    serves = connection.ask_once("GET", f"/v1/agents/{agent}")
    demo = " (the demo model answers)" if serves.is_success and serves.json()["demo"] else ""
    console.print(f"{agent}, session {session}{demo}\n/help says what you can type", style="dim")
    return Conversation(connection, console, session, 0, None)


def _take_up(connection: Connection, console: Console, session: str) -> Conversation:
    # A new conversation need not wait until this is loaded.
    from perdure.temporal.app.console.direct import checked_id

    answer = connection.ask_once("GET", f"/v1/sessions/{checked_id(session, 'session')}")
    if answer.status_code != 200:
        raise Refused(problem_of(answer))
    snapshot = answer.json()
    console.print(f"{snapshot['agent']}, session {session}, {snapshot['status']}", style="dim")
    conversation = Conversation(connection, console, session, snapshot["seq"], snapshot["turn_id"])
    conversation.closed = snapshot["status"] == "closed"
    conversation.expect(snapshot["questions"])
    conversation.show_last(snapshot["messages"][-_LAST:], snapshot.get("todo", ()))
    return conversation
