"""A session as a program talks to it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack
from urllib.parse import quote

from perdure.gateway.client import following
from perdure.gateway.client.events import Event, TurnFilter
from perdure.gateway.client.ids import given, new_id
from perdure.gateway.client.turn import Turn, turn_of
from perdure.gateway.client.words import Words

if TYPE_CHECKING:
    from perdure.gateway.client.perdure import Perdure

#: Seconds that one request waits for a turn; less than the client takes silence for a broken connection.
_WAIT_S: Final = 30
_ABSENT: Final[Any] = object()


class Said(TypedDict, total=False):
    """What goes with a message, or stands for its text."""

    #: In place of the text: `{"type": "text", "text"}`, `{"type": "file", "uri"}`, `{"type": "data", "name", "value"}`.
    parts: Sequence[Mapping[str, Any]]
    #: The message's own id, by default a new one; sent again with it, a message counts once.
    message_id: str
    #: What becomes of it while the session works: queue, steer, interrupt or reject; by default what the agent says.
    busy: str
    #: The role that answers it, one of the models of the session's agent.
    model: str


class Session:
    """A session, by its id. Nothing is kept here: any number of these, in any number of programs, may be the same
    session.

    Every method raises `PerdureError`: `SessionNotFound` where there is no such session, and what it says itself."""

    def __init__(self, perdure: "Perdure", session_id: str) -> None:
        self.id = session_id
        self._perdure = perdure
        self._path = f"/v1/sessions/{quote(session_id, safe='')}"

    def __repr__(self) -> str:
        return f"<Session {self.id}>"

    async def send(self, text: str | None = None, **said: Unpack[Said]) -> dict[str, Any]:
        """Sends a message, once, however often it has to be sent → `{"session_id", "message_id", "seq", "status",
        "position"?, "waiting_for"?}`; `seq` is a cursor from before the message's first event. Raises `SessionClosed`,
        `Busy`, `IdConflict`, `Invalid`."""
        body = _message(text, said)
        return await self._call("POST", "messages", body)

    async def send_and_wait(self, text: str | None = None, **said: Unpack[Said]) -> Turn:
        """Sends a message and waits for its turn, however long it takes and whatever restarts meanwhile. Comes back
        early, with reason `waiting`, where people have to answer `questions` first; sent again with the same
        `message_id`, it waits on. Raises what `send` raises, and `MessageWithdrawn`."""
        body = _message(text, said)
        while True:
            answer = await self._perdure.call("POST", f"{self._path}/messages", json=body, params={"wait": _WAIT_S})
            if (turn := turn_of(answer)) is not None:
                return turn
            # A server that stops answers at once; another takes over.
            await following.breath()

    async def say(self, text: str | None = None, **said: Unpack[Said]) -> AsyncGenerator[str]:
        """Sends a message and yields the text of its turn as it comes, to print it: whatever a broken stream has missed
        comes later. Where the model had to be asked once more, its new answer begins a new paragraph. Raises what
        `send` raises."""
        words = Words()
        async with aclosing(self.turn(text, **said)) as events:
            async for event in events:
                if more := words.take(event):
                    yield more

    async def turn(self, text: str | None = None, **said: Unpack[Said]) -> AsyncGenerator[Event]:
        """Sends a message and yields its own events and those of its turn, live frames among them, to the turn's end.
        Leaving the loop only stops listening. Raises what `send` raises."""
        body = _message(text, said)
        sent = await self._call("POST", "messages", body)
        wanted = TurnFilter(body["message_id"])
        async with aclosing(self.events(after=sent["seq"])) as everything:
            async for event in everything:
                for one in wanted.take(event):
                    yield one
                if wanted.over:
                    return

    def events(self, after: int | None = None) -> AsyncGenerator[Event]:
        """The session's events greater than the cursor `after` (None: from the start), and live frames, until the
        session is closed; each durable event once and in order, over breaks of the connection and restarts of the
        server. Keep the last `seq` to go on from there in another process."""
        return following.events(self._perdure, self._path, after)

    async def snapshot(self, *, messages: int | None = None) -> dict[str, Any]:
        """The session as it is: `status`, `messages` (the last so many), `questions`, `usage`, `cost_usd`, `seq` and
        more."""
        return await self._call("GET", "", params=given(messages=messages))

    async def messages(self, *, before: int | None = None, limit: int | None = None) -> dict[str, Any]:
        """A page of messages, `{"messages", "before"}`; `before` of a page gives the page that precedes it."""
        return await self._call("GET", "messages", params=given(before=before, limit=limit))

    async def stop(self, turn_id: str | None = None) -> None:
        """Stops the turn that runs and keeps the session; does nothing where none runs, or another than `turn_id`."""
        await self._call("POST", "stop", given(turn_id=turn_id))

    async def answer(
        self,
        question_id: str,
        *,
        approved: bool | None = None,
        result: Any = _ABSENT,
        reason: str | None = None,
        args: Mapping[str, Any] | None = None,
        remember: bool | None = None,
    ) -> dict[str, Any]:
        """Answers an open question: `approved` for an approval, with other `args` if need be; `result` for what a
        client tool or the agent asks, and for a cap's new value; `approved=False` where there will be no result. Raises
        `AlreadyAnswered` where somebody was first, this client included if the answer to its first attempt was lost;
        `Invalid`; `Forbidden`."""
        body = given(question_id=question_id, approved=approved, reason=reason, args=args, remember=remember)
        if result is not _ABSENT:
            body["result"] = result
        return await self._call("POST", "answers", body)

    async def edit(
        self, message_id: str, text: str | None = None, *, parts: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Changes a message that still waits. Raises `MessageNotQueued`."""
        await self._call("PUT", f"messages/{quote(message_id, safe='')}", given(text=text, parts=parts))

    async def withdraw(self, message_id: str) -> None:
        """Takes back a message that still waits. Raises `MessageNotQueued`."""
        await self._call("DELETE", f"messages/{quote(message_id, safe='')}")

    async def rewind(self, message_id: str, text: str | None = None, **choices: Any) -> dict[str, Any]:
        """Goes on from before a message, with other words or to answer it again → `{"branch", "message_id"?}`. Happens
        once."""
        body = {"rewind_id": new_id(), "message_id": message_id, **given(text=text), **choices}
        return await self._call("POST", "rewind", body)

    async def retry(self, turn_id: str | None = None, *, model: str | None = None) -> dict[str, Any]:
        """Runs a failed or stopped turn on, by default the last one. Happens once. Raises `NothingToRetry`."""
        return await self._call("POST", "retry", {"retry_id": new_id(), **given(turn_id=turn_id, model=model)})

    async def feedback(self, turn_id: str, score: float, text: str | None = None) -> dict[str, Any]:
        """Keeps on a turn what somebody thinks of it → `{"turn_id", "seq"}`. The scale of scores is yours; 0 takes back
        what was given. The latest counts, and the same once more changes nothing. Raises `SessionClosed`, `Invalid`."""
        return await self._call("POST", "feedback", given(turn_id=turn_id, score=score, text=text))

    async def configure(self, **changes: Any) -> dict[str, Any]:
        """Changes the session: `model`, `metadata`, `digest`."""
        return await self._call("PATCH", "", changes)

    async def set_limits(self, limits: Mapping[str, Any]) -> dict[str, Any]:
        """Changes what the session may spend, in the definition's shape: `{"session": {"cost_usd": 1.0}}`."""
        return await self._call("PATCH", "limits", limits)

    async def fork(self, turn_id: str, **choices: Any) -> "Session":
        """A new session that shares the past up to the end of a turn; `choices`: `agent`, `model`, `text`. Each call
        makes another."""
        body = {"turn_id": turn_id, **choices}
        made = await self._perdure.call("POST", f"{self._path}/fork", json=body, again=False)
        return Session(self._perdure, made["session_id"])

    async def close(self, *, erase: bool = False) -> None:
        """Closes the session, for good; `erase` removes what is kept of it."""
        await self._call("DELETE", "", params={"erase": "true"} if erase else None)

    async def _call(
        self, method: str, below: str, body: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        path = f"{self._path}/{below}" if below else self._path
        return await self._perdure.call(method, path, json=body, params=params)


def _message(text: str | None, said: Said) -> dict[str, Any]:
    return {"message_id": new_id(), **given(text=text), **given(**said)}
