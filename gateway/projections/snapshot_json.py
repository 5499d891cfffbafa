"""A session as its routes and `session.snapshot` show it, in whole or with its last messages. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import orjson

from perdure.temporal.sessions.event_json import message_json, question_json
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.sealed import Shown
from perdure.temporal.sessions.snapshot import Excerpt, Snapshot, SubQuestion
from perdure.workflows.vocabulary.parts import Message

_NOT_SHOWN: Final = {
    *("messages", "start", "since", "sealed", "count", "path", "limit_changes"),
    *("queued", "questions", "more_questions", "parent", "sub_sessions", "ended", "answered"),
}


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    page = snapshot.page
    shown = page.model_dump(mode="json", exclude=_NOT_SHOWN)
    if page.parent is not None:
        shown["parent"] = {"session_id": page.parent.session_id, "call_id": page.parent.call_id}
    if snapshot.sub_questions:
        shown["sub_questions"] = [sub_question_json(one) for one in snapshot.sub_questions]
    if snapshot.excerpt is not None:
        shown |= excerpt_json(snapshot.excerpt)
    return {
        **shown,
        "messages": said_json(snapshot.messages),
        "queued": [message_json(message) for message in page.queued],
        "questions": [question_json(question) for question in page.questions],
    }


def said_json(messages: Iterable[Message | Shown]) -> orjson.Fragment:
    """An array of messages, to be encoded by `to_json`."""
    shown = (one.json if isinstance(one, Shown) else to_json(message_json(one)) for one in messages)
    # Encoded messages are joined, for the encoder takes long for many small pieces.
    return orjson.Fragment(b"[" + b",".join(shown) + b"]")


def excerpt_json(excerpt: Excerpt) -> dict[str, int]:
    """Where it begins."""
    where = {"before": excerpt.before}
    return where if excerpt.since is None else {**where, "since": excerpt.since}


def sub_question_json(below: SubQuestion) -> dict[str, Any]:
    return {**question_json(below.question), "session_id": below.session_id, "agents": below.agents}
