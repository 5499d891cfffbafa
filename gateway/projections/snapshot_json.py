"""A session in whole as the route of the session and `session.snapshot` show it. Pure."""

from typing import Any, Final

from perdure.temporal.sessions.event_json import message_json, question_json
from perdure.temporal.sessions.snapshot import Snapshot, SubQuestion

_NOT_SHOWN: Final = {"messages", "queued", "count", "questions", "more_questions", "parent", "sub_sessions"}


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    page = snapshot.page
    shown = page.model_dump(mode="json", exclude=_NOT_SHOWN)
    if page.parent is not None:
        shown["parent"] = {"session_id": page.parent.session_id, "call_id": page.parent.call_id}
    if snapshot.sub_questions:
        shown["sub_questions"] = [sub_question_json(one) for one in snapshot.sub_questions]
    return {
        **shown,
        "messages": [message_json(message) for message in snapshot.messages],
        "queued": [message_json(message) for message in page.queued],
        "questions": [question_json(question) for question in page.questions],
    }


def sub_question_json(below: SubQuestion) -> dict[str, Any]:
    return {**question_json(below.question), "session_id": below.session_id}
