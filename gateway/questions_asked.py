"""The open questions of a session, as callers are shown them while they wait for something else."""

from typing import Any, Final

from gateway.backend import Backend
from gateway.snapshots import questions_below, with_questions
from gateway.sse import Outgoing
from gateway.viewer import question_json
from temporal.blobs import BlobStore
from workflows.commands import PageRequest

#: A page that begins after any message holds none.
_NO_MESSAGES = PageRequest(after=2**31, until=0)
_ASKING: Final = ("approval.requested", "input.requested")
_ASKING_BELOW: Final = tuple(f'"{kind}"'.encode() for kind in _ASKING)


def may_ask(item: Outgoing) -> bool:
    """Whether the session, or a sub-agent of its, may wait for a person from `item` on."""
    if item.type == "agent.event":
        # Without decoding each fragment that a sub-agent streams; text that looks alike costs one more question.
        return any(kind in item.data for kind in _ASKING_BELOW)
    return item.type in _ASKING


async def questions_of(backend: Backend, blobs: BlobStore, session: str) -> list[dict[str, Any]]:
    """The session's own open questions, in the shape of the snapshot's. Raises Problem where the session cannot be asked."""
    page = await with_questions(backend, session, _NO_MESSAGES)
    return [await question_json(question, blobs) for question in page.questions]


async def all_questions(backend: Backend, blobs: BlobStore, session: str) -> dict[str, list[dict[str, Any]]]:
    """`questions` and, where sub-agents that run have some, `sub_questions`; both in the shape of the snapshot's.

    Empty where nobody is asked anything. Raises Problem where the session cannot be asked."""
    page = await with_questions(backend, session, _NO_MESSAGES)
    below = await questions_below(backend, blobs, session, page)
    if not page.questions and not below:
        return {}
    own = [await question_json(question, blobs) for question in page.questions]
    return {"questions": own, **({"sub_questions": below} if below else {})}
