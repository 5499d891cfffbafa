"""What the server of a tool asks a person in the middle of a call, and what it is told. One frozen record each.

Rule: an answer is kept by the question's `mark`, which is the same when the call is made again and the server asks
again; so nobody is asked twice, whatever becomes of connections and servers meanwhile.
"""

from typing import Any, Final, Literal

from pydantic import JsonValue

from perdure.workflows.vocabulary.parts import BlobRef, Frozen

#: How often the server of one call may ask before the call fails.
MOST_ROUNDS: Final = 8

#: What a person did: gave an answer; refused to; or did neither, for nobody looked at it in time.
Reply = Literal["accept", "decline", "cancel"]


class ServerQuestion(Frozen):
    #: What the server calls it.
    key: str
    #: Tells it from the call's others by its content, and from the same one before it.
    mark: str
    #: What a person is asked, the server named.
    prompt: str
    #: JSON Schema of the answer.
    output: dict[str, Any]
    #: It has to be answered elsewhere, at an address that `prompt` names; what is answered here has no content.
    elsewhere: bool = False


class ServerAsks(Frozen):
    """What a call returns that cannot go on without a person."""

    questions: tuple[ServerQuestion, ...]
    #: The server's own word on where the call stands, which it is given back. None: the call is made anew.
    state: str | None = None
    #: Further calls give the server its answers as it asks again, from the beginning on.
    anew: bool = False


class ServerAnswer(Frozen):
    mark: str
    reply: Reply
    content: JsonValue = None
    #: Holds the whole where it was too big to travel, as the output of a tool result.
    blob: BlobRef | None = None


class ServerInput(Frozen):
    """Where a call stands whose server asks."""

    asks: ServerAsks
    #: Those of this call, the oldest first.
    answers: tuple[ServerAnswer, ...] = ()
    #: How often the server has asked.
    rounds: int = 1
    #: Questions that people were asked.
    asked: int = 0

    @property
    def open(self) -> ServerQuestion | None:
        """The question that has to be put next; None: the call can go on."""
        known = {answer.mark for answer in self.answers}
        return next((question for question in self.asks.questions if question.mark not in known), None)


def after(before: ServerInput | None, asks: ServerAsks) -> ServerInput:
    """Where a call stands once its server has asked (again)."""
    if before is None:
        return ServerInput(asks=asks)
    return before.model_copy(update={"asks": asks, "rounds": before.rounds + 1})


def answered(before: ServerInput, reply: Reply, content: JsonValue = None, blob: BlobRef | None = None) -> ServerInput:
    """Where a call stands once its open question has an answer."""
    question = before.open
    assert question is not None
    answer = ServerAnswer(mark=question.mark, reply=reply, content=content, blob=blob)
    return before.model_copy(update={"answers": (*before.answers, answer), "asked": before.asked + 1})
