"""Requests in the form that a server takes: what it refuses by name is left out, renamed or put otherwise, and asked again.

Rule 1: what a server took after such a change is remembered for it and the model, so that one request pays for it. So is a
change after which the server refused something else, even where the request failed in the end.
Rule 2: a refusal that names nothing, or nothing that may be changed, is final at once. So is one that follows the last of a
few changes.
Rule 3: a member of the user's own `extra` is never changed. It was written for this very server, which then says what is
wrong with it.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from pydantic import JsonValue

from perdure.activities.models.adaptation import Body, Change, Path, Rename
from perdure.activities.models.failure_kinds import classify
from perdure.activities.models.failures import ProviderError, Source
from perdure.activities.models.refusal import Refusal, refusal_of
from perdure.activities.models.refusal_cures import cures
from perdure.activities.models.refused_numbers import room
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.vocabulary.errors import (
    MODEL_CONTEXT_LENGTH,
    MODEL_INVALID_REQUEST,
    MODEL_NOT_FOUND,
    MODEL_SERVER_ERROR,
)

#: Servers and models of which something is remembered.
_KNOWN: Final = 512
#: Changes that are remembered for one of them, and times that one request is asked again. Some servers name one member at a
#: time, and a request has about as many that may go.
_CHANGES: Final = 64
_ROUNDS: Final = 16

#: Kinds of failures that may come of the form of a request. A router that has no server for a parameter says 404, and a
#: question may leave room for a shorter answer than the one that was asked for.
_MAY_HELP: Final = frozenset((MODEL_INVALID_REQUEST, MODEL_SERVER_ERROR, MODEL_NOT_FOUND, MODEL_CONTEXT_LENGTH))

Stream = TypeVar("Stream")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Another form of a body, for what is wrong with one conversation and says nothing of its server: not remembered."""

    #: For people, short.
    words: str
    #: Whether the refusal is about it.
    when: Callable[[Refusal], bool]
    #: Returns the very same body where there is nothing to change.
    make: Callable[[Body], Body]


@dataclass(frozen=True, slots=True)
class Opened(Generic[Stream]):
    stream: Stream
    #: What was changed for the server, in short words (`Answer.adapted`).
    adapted: tuple[str, ...]


@dataclass(slots=True)
class Adapting:
    """What servers were found to refuse, shared by all calls of a wire."""

    _learnt: OrderedDict[tuple[str, str], tuple[Change, ...]] = field(default_factory=OrderedDict)

    async def open(
        self,
        server: str,
        model: ModelDefinition,
        body: Body,
        send: Callable[[Body], Awaitable[Stream]],
        neutral: Callable[[Exception], Exception],
        rewrites: Sequence[Rewrite] = (),
    ) -> Opened[Stream]:
        """The stream that `send` opens for `body`, or for what the server takes of it.

        `server` is its name (`server_of`). `neutral` makes an exception of the SDK one that `classify` knows. What the server
        refuses for good is raised as `send` raised it.
        """
        key = (server, model.model_name)
        sent, told = body, list[str]()
        for change in self._learnt.get(key, ()):
            sent = _changed(sent, change, model.extra, told)
        made: list[Change] = []
        #: Those of `made` after which the server refused something else.
        moved: list[Change] = []
        #: For this conversation, and so not remembered.
        made_here: list[Change] = []
        left = [*rewrites]
        for _ in range(_ROUNDS):
            try:
                stream = await send(sent)
            except Exception as error:
                refusal = _refused(neutral(error))
                if refusal is None:
                    self._remember(key, moved)
                    raise
                before = sent
                rewrite = next((one for one in left if one.when(refusal) and one.make(sent) is not sent), None)
                if rewrite is not None:
                    left.remove(rewrite)
                    sent = rewrite.make(sent)
                    told.append(rewrite.words)
                    continue
                shorter = room(refusal, sent)
                if shorter is not None and shorter not in made_here:
                    made_here.append(shorter)
                    sent = _changed(sent, shorter, model.extra, told)
                    continue
                new = [change for change in cures(refusal, sent) if not _tried(change, made)]
                for change in new:
                    sent = _changed(sent, change, model.extra, told)
                if sent is before:
                    self._remember(key, moved)
                    raise
                moved = [change for change in made if all(change.path != one.path for one in new)]
                made += new
            else:
                self._remember(key, made)
                return Opened(stream, tuple(dict.fromkeys(told)))
        self._remember(key, moved)
        return Opened(await send(sent), tuple(dict.fromkeys(told)))

    def learnt(self, server: str, model: str) -> tuple[str, ...]:
        """What is changed for this server and model, in short words."""
        return tuple(change.words for change in self._learnt.get((server, model), ()))

    def _remember(self, key: tuple[str, str], changes: Sequence[Change]) -> None:
        known = self._learnt.pop(key, ())
        if known or changes:
            self._learnt[key] = tuple(dict.fromkeys((*known, *changes)))[-_CHANGES:]
        while len(self._learnt) > _KNOWN:
            self._learnt.popitem(last=False)


def _refused(error: Exception) -> Refusal | None:
    """None where another request would not help, as with a prompt that is too long, or a key that is wrong."""
    if not isinstance(error, ProviderError):
        return None
    return refusal_of(error) if classify(error, Source("", "")).kind in _MAY_HELP else None


def _changed(body: Body, change: Change, extra: Mapping[str, JsonValue], told: list[str]) -> Body:
    if _is_in(change.path, extra):
        return body
    changed = change.apply(body)
    if changed is not body:
        told.append(change.words)
    return changed


def _is_in(path: Path, extra: object) -> bool:
    for step in path:
        if not isinstance(extra, Mapping) or step not in extra:
            return False
        extra = extra[step]
    return True


def _tried(change: Change, made: Sequence[Change]) -> bool:
    if isinstance(change, Rename):
        back = Rename((*change.path[:-1], change.to), change.path[-1])
        return change in made or back in made
    return change in made
