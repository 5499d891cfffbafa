"""Elicitation: what MCP servers ask a person during a call, and how they are answered. No I/O.

A server asks in one of two ways, depending on its protocol version:

- It returns its questions instead of a result. No call is open then. With the answers the call goes on from the state
that the server gave. If the server no longer accepts that state (it was restarted, or a person took too long), the call
is repeated from its beginning, and what was asked before is answered at once.
- It asks on the open connection (before 2026-07-28) and waits there. A person may take days, longer than any connection
lasts, so the call is cancelled at the server, and repeated from its beginning when the answer is there.

Rule 1: a call of a `once` tool is never repeated from its beginning. On the open connection its questions are refused.
Rule 2: a question that was answered gets the same answer whenever it is asked again. Only new questions reach a person.
Rule 3: a server may ask people, and nothing else: no model (sampling), no folders (roots).
Rule 4: a form must not ask for secrets, as MCP demands: no passwords, keys, card numbers. A page elsewhere may.
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
from perdure.workflows.vocabulary.parts import preview

#: A form without fields: the answer is given elsewhere, and a person only confirms it.
_DONE: Final[dict[str, Any]] = {"type": "object", "maxProperties": 0}
#: Bytes of JSON: of one form, and of everything that a session keeps of a server's questions.
_MAX_FORM: Final = 16 * 1024
_MAX_ASKS: Final = 64 * 1024
_MAX_QUESTIONS: Final = 8
_MAX_URL: Final = 2000
_MAX_MESSAGE: Final = 1000


#: Words in a name, lower-cased and separated, that mark a secret.
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
    """The server's question cannot be put to a person. The message says why, in words for the model."""


class Declined(Exception):
    """A person declined what the server needs done elsewhere."""


class Dialogue:
    """The questions of one call's server so far, and their answers."""

    def __init__(self, request: CallMcpToolInput) -> None:
        self._label = request.label
        self._once = request.once
        so_far = request.so_far
        self._answers = {answer.mark: answer for answer in so_far.answers} if so_far else {}
        self._asks = so_far.asks if so_far else None
        #: How often the call has reached a question with this content.
        self._met: Counter[str] = Counter()
        #: What was asked on the open connection, and has no answer yet.
        self._waiting: dict[str, ServerQuestion] = {}
        self.asked = asyncio.Event()
        #: The call that asked on the open connection is over.
        self.over = asyncio.Event()
        #: Why a question on the open connection was refused.
        self.refused: str | None = None

    def resumed(self) -> tuple[InputResponses | None, str | None]:
        """The answers and the state that the call resumes with. Both None: it begins."""
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
        """The answers to these questions, or what a person has to be asked first. Raises `NotAskable`."""
        questions: list[ServerQuestion] = []
        for key, request in requests.items():
            if not isinstance(request, ElicitRequest):
                raise NotAskable(f"it wants {request.method}, and only a person can be asked")
            questions.append(self._question(key, request.params))
        if all(question.mark in self._answers for question in questions):
            return {one.key: _response(self._answers[one.mark], one.elsewhere) for one in questions}
        return _bounded(ServerAsks(questions=tuple(questions), state=state))

    async def on_open_connection(self, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Answers a question of the server during the call, or gives the call up by `asked`."""
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
        # No reply before the call is cancelled, or the tool would go on without its answer.
        await self.over.wait()
        return ElicitResult(action="cancel")

    def put(self) -> ServerAsks:
        """What was asked on the open connection. Raises `NotAskable`."""
        return _bounded(ServerAsks(questions=tuple(self._waiting.values()), anew=True))

    def elsewhere(self, data: Any) -> ServerAsks:
        """What has to be done elsewhere before the server takes the call. Raises `NotAskable`, `Declined`."""
        try:
            needed = ElicitationRequiredErrorData.model_validate(data).elicitations
        except ValidationError:
            raise NotAskable("it does not say what has to be done") from None
        if not needed:
            raise NotAskable("it does not say what has to be done")
        questions: list[ServerQuestion] = []
        for params in needed:
            question = self._question("", params)
            while (answer := self._answers.get(question.mark)) is not None:
                if answer.reply != "accept":
                    raise Declined
                # A person confirmed it, but the server does not see it done.
                question = self._question("", params)
            questions.append(question)
        return _bounded(ServerAsks(questions=tuple(questions), anew=True))

    def _question(self, key: str, params: ElicitRequestParams) -> ServerQuestion:
        words = preview(params.message, _MAX_MESSAGE)
        if isinstance(params, ElicitRequestURLParams):
            if not params.url.startswith(("https://", "http://")) or len(params.url) > _MAX_URL:
                raise NotAskable("the address that it sends a person to is not a web address")
            prompt = f"{self._label} asks: {words}\nIt has to be done at {params.url} and confirmed here."
            return ServerQuestion(
                key=key, mark=self._mark([words, params.url]), prompt=prompt, output=_DONE, elsewhere=True
            )
        form = params.requested_schema
        if (fault := _form_fault(form)) is not None:
            raise NotAskable(f"the form that it wants filled in {fault}")
        prompt = f"{self._label} asks: {words}"
        return ServerQuestion(key=key, mark=self._mark([words, form]), prompt=prompt, output=form)

    def _mark(self, content: object) -> str:
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        number = self._met[digest]
        self._met[digest] += 1
        return f"{digest}.{number}"

    def _refuse(self, why: str) -> ErrorData:
        self.refused = why
        return ErrorData(code=INVALID_REQUEST, message=f"Nobody can be asked: {why}")


def _content_of(mark: str) -> str:
    return mark.partition(".")[0]


def _form_fault(form: Mapping[str, Any]) -> str | None:
    if form.get("type", "object") != "object":
        return "gives no object"
    written = json.dumps(form)
    if len(written) > _MAX_FORM:
        return "is too big"
    if '"patternProperties"' in written:
        # Validating an answer against them might never end.
        return "has fields without names"
    if (name := _secret_field(form)) is not None:
        return f"asks for what is secret ({name[:60]!r}), which no form may; a server has to send people to a page of its own"
    fault = schema_fault(dict(form))
    return None if fault is None else f"is {fault[1]}"


def _secret_field(form: Mapping[str, Any]) -> str | None:
    """The first field of a form whose name, title or format says that it takes a secret."""
    fields = form.get("properties")
    for name, field in (fields if isinstance(fields, dict) else {}).items():
        told = field if isinstance(field, dict) else {}
        if told.get("format") == "password" or told.get("writeOnly") is True:
            return str(name)
        if told.get("type") == "boolean" or "enum" in told or "oneOf" in told:
            # A choice is not a secret.
            continue
        # `apiKey`, `api_key` and `API key` are one name.
        spoken = (_HUMP.sub(r"\1 \2", str(word)).lower() for word in (name, told.get("title", "")))
        if any(_SECRET.search(_NO_LETTERS.sub(" ", words)) for words in spoken):
            return str(name)
    return None


def _bounded(asks: ServerAsks) -> ServerAsks:
    if len(asks.questions) > _MAX_QUESTIONS:
        raise NotAskable(f"it asks more than {_MAX_QUESTIONS} questions at once")
    if len(asks.model_dump_json()) > _MAX_ASKS:
        raise NotAskable("what it asks is too big to be kept")
    return asks


def _response(answer: ServerAnswer, elsewhere: bool) -> ElicitResult:
    """Raises `NotAskable` where MCP cannot carry the answer."""
    if answer.reply != "accept" or elsewhere:
        return ElicitResult(action=answer.reply)
    try:
        return ElicitResult.model_validate({"action": "accept", "content": answer.content})
    except ValidationError:
        raise NotAskable("what a person answered is more than a flat form, and MCP carries no more") from None
