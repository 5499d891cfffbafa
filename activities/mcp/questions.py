"""Elicitation: what MCP servers ask a person during a call, and how the answers get back. No I/O.

A server asks in one of two ways, depending on its protocol version:

- It returns its questions in place of a result. No call is open then; with the answers, the call continues from the
state
  that the server returned. If the server no longer accepts that state (it restarted, or the person took too long), the
  state is dropped and the call starts over; questions that were already answered are answered at once.
- It asks on the open connection (before 2026-07-28) and waits there. A person may take days, and no connection lasts
  that long, so the call is cancelled at the server and started over once the answer is there.

Rule 1: a call of a `once` tool is never started over. Its questions on the open connection are refused.
Rule 2: a question that was answered gets the same answer whenever it is asked again; only new questions reach a person.
Rule 3: a server may elicit answers from people, and nothing else: no model output (sampling), no folders (roots).
Rule 4: a form never asks for secrets, as MCP requires: no passwords, keys, card numbers. A page at a URL may.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from mcp_types import (
    INVALID_REQUEST,
    ElicitationRequiredErrorData,
    ElicitRequest,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    ErrorData,
    InputRequests,
    InputResponses,
)
from pydantic import ValidationError

from perdure.temporal.schemas.check import schema_fault
from perdure.workflows.protocol.activities import CallMcpToolInput
from perdure.workflows.vocabulary.elicitation import ServerAnswer, ServerAsks, ServerQuestion
from perdure.workflows.vocabulary.folding import preview

#: A form without fields: the answer is given at a URL, and the person only confirms that it is done.
_DONE: Final[dict[str, Any]] = {"type": "object", "maxProperties": 0}
#: Sizes of a server's questions as JSON: of one form, and of all that a session stores of them.
_MAX_FORM: Final = 16 * 1024
_MAX_ASKS: Final = 64 * 1024
_MAX_QUESTIONS: Final = 8
_MAX_URL: Final = 2000
_MAX_MESSAGE: Final = 1000


#: Matches a field name in lower case, its words separated by spaces.
_SECRET: Final = re.compile(
    r"\b(passwords?|passwd|passphrases?|passcodes?|pwd|pin( (code|number))?|secrets?|credentials?"
    r"|(api|access|private|secret|signing|encryption|ssh) ?keys?|(access|auth|api|bearer|refresh|session|id|security)? ?token"
    r"|otp|totp|mfa( code)?|2fa( code)?|one time (code|password)|(verification|security|recovery|backup) codes?"
    r"|cvv2?|cvc2?|(credit|debit|bank)? ?card ?(number|no)|credit ?card|ssn|social security( number)?"
    r"|(seed|recovery) phrase|mnemonic)\b"
)
_HUMP: Final = re.compile(r"([a-z0-9])([A-Z])")
_NO_LETTERS: Final = re.compile(r"[^a-z0-9]+")


class NotAskable(Exception):
    """The server asks for something that cannot be asked. The message says why, in words for the model."""


class Declined(Exception):
    """A person declined to do what the server needs done at a URL."""


class Dialogue:
    """What the server has asked during one call, and the answers so far."""

    def __init__(self, request: CallMcpToolInput) -> None:
        self._label = request.label
        self._once = request.once
        so_far = request.so_far
        self._answers = {answer.mark: answer for answer in so_far.answers} if so_far else {}
        self._asks = so_far.asks if so_far else None
        #: How often a question with this content has come up in the call.
        self._met: Counter[str] = Counter()
        #: Questions asked on the open connection that have no answer yet.
        self._waiting: dict[str, ServerQuestion] = {}
        self.asked = asyncio.Event()
        #: Set when the call that asked on the open connection is over.
        self.over = asyncio.Event()
        #: Why a question on the open connection was refused.
        self.refused: str | None = None

    def resumed(self) -> tuple[InputResponses | None, str | None]:
        """The answers and the state with which the call continues, or (None, None) if it starts from its beginning."""
        if self._asks is None or self._asks.anew:
            return None, None
        self._met.update(_content_of(mark) for mark in self._answers)
        return {
            question.key: _response(self._answers[question.mark], question.elsewhere)
            for question in self._asks.questions
        }, self._asks.state

    def begin_anew(self) -> None:
        self._met.clear()

    def take(self, requests: InputRequests, state: str | None) -> InputResponses | ServerAsks:
        """The answers to these questions, or the questions that a person has to answer first. Raises `NotAskable`."""
        questions: list[ServerQuestion] = []
        for key, request in requests.items():
            if not isinstance(request, ElicitRequest):
                raise NotAskable(f"it requests {request.method}, and only elicitation is supported")
            questions.append(self._question(key, request.params))
        if all(question.mark in self._answers for question in questions):
            return {one.key: _response(self._answers[one.mark], one.elsewhere) for one in questions}
        return _bounded(ServerAsks(questions=tuple(questions), state=state))

    async def on_open_connection(self, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Answers a question that comes during the call, or sets `asked` so that the call is given up."""
        try:
            question = self._question("", params)
            answer = self._answers.get(question.mark)
            if answer is not None:
                return _response(answer, question.elsewhere)
        except NotAskable as why:
            return self._refuse(str(why))
        if self._once:
            return self._refuse("it asks while it runs, and a call that must not be repeated cannot wait for a person")
        self._waiting[question.mark] = question
        self.asked.set()
        # No response before the call is cancelled, or the tool would continue without its answer.
        await self.over.wait()
        return ElicitResult(action="cancel")

    def put(self) -> ServerAsks:
        """The questions asked on the open connection. Raises `NotAskable`."""
        return _bounded(ServerAsks(questions=tuple(self._waiting.values()), anew=True))

    def elsewhere(self, data: Any) -> ServerAsks | None:
        """What has to be done at URLs before the server accepts the call; None: its error does not say that anything has.

        Raises `NotAskable`, `Declined`."""
        try:
            needed = ElicitationRequiredErrorData.model_validate(data).elicitations
        except ValidationError:
            return None
        if not needed:
            return None
        questions: list[ServerQuestion] = []
        for params in needed:
            question = self._question("", params)
            while (answer := self._answers.get(question.mark)) is not None:
                if answer.reply != "accept":
                    raise Declined
                # The person confirmed it, but the server still asks for it.
                question = self._question("", params)
            questions.append(question)
        return _bounded(ServerAsks(questions=tuple(questions), anew=True))

    def _question(self, key: str, params: ElicitRequestParams) -> ServerQuestion:
        words = preview(params.message, _MAX_MESSAGE)
        if isinstance(params, ElicitRequestURLParams):
            if not params.url.startswith(("https://", "http://")) or len(params.url) > _MAX_URL:
                raise NotAskable("the URL to which it sends people is not a web address")
            prompt = f"{self._label} asks: {words}\nComplete it at {params.url} and confirm here."
            return ServerQuestion(
                key=key, mark=self._mark([words, params.url]), prompt=prompt, output=_DONE, elsewhere=True
            )
        form = params.requested_schema
        if (fault := _form_fault(form)) is not None:
            raise NotAskable(f"its form {fault}")
        prompt = f"{self._label} asks: {words}"
        return ServerQuestion(key=key, mark=self._mark([words, form]), prompt=prompt, output=form)

    def _mark(self, content: object) -> str:
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        number = self._met[digest]
        self._met[digest] += 1
        return f"{digest}.{number}"

    def _refuse(self, why: str) -> ErrorData:
        self.refused = why
        return ErrorData(code=INVALID_REQUEST, message=f"No person can be asked: {why}")


def _content_of(mark: str) -> str:
    return mark.partition(".")[0]


def _form_fault(form: Mapping[str, Any]) -> str | None:
    if form.get("type", "object") != "object":
        return "does not give an object"
    written = json.dumps(form)
    if len(written) > _MAX_FORM:
        return "is too large"
    if '"patternProperties"' in written:
        # Checking an answer against such patterns may take forever.
        return "has fields without names"
    if (name := _secret_field(form)) is not None:
        return f"asks for a secret ({name[:60]!r}), which forms must not do; use a page of the server's own"
    fault = schema_fault(dict(form))
    return None if fault is None else f"is {fault[1]}"


def _secret_field(form: Mapping[str, Any]) -> str | None:
    """The first field of a form that takes a secret, by its name, title or format."""
    fields = form.get("properties")
    for name, field in (fields if isinstance(fields, dict) else {}).items():
        declared = field if isinstance(field, dict) else {}
        if declared.get("format") == "password" or declared.get("writeOnly") is True:
            return str(name)
        if declared.get("type") == "boolean" or "enum" in declared or "oneOf" in declared:
            # A choice is not a secret.
            continue
        # `apiKey`, `api_key` and `API key` are the same name.
        names = (_HUMP.sub(r"\1 \2", str(word)).lower() for word in (name, declared.get("title", "")))
        if any(_SECRET.search(_NO_LETTERS.sub(" ", words)) for words in names):
            return str(name)
    return None


def _bounded(asks: ServerAsks) -> ServerAsks:
    if len(asks.questions) > _MAX_QUESTIONS:
        raise NotAskable(f"it asks more than {_MAX_QUESTIONS} questions at once")
    if len(asks.model_dump_json()) > _MAX_ASKS:
        raise NotAskable("its questions are too large to be stored")
    return asks


def _response(answer: ServerAnswer, elsewhere: bool) -> ElicitResult:
    """Raises `NotAskable` if MCP cannot carry the answer."""
    if answer.reply != "accept" or elsewhere:
        return ElicitResult(action=answer.reply)
    try:
        return ElicitResult.model_validate({"action": "accept", "content": answer.content})
    except ValidationError:
        raise NotAskable("the person's answer is not a flat object, and MCP carries nothing else") from None
