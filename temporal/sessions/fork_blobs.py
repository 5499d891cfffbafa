"""What a fork's past keeps in the blob store: copied below the fork's own name, and named so wherever it is told of."""

import asyncio
import hashlib
import operator
from collections.abc import Iterable
from typing import Final

import structlog

from perdure.temporal.stores.blobs import BlobMissing, BlobStore, unfold
from perdure.temporal.stores.files import copy_file, file_in, with_files_of
from perdure.workflows.vocabulary.events import Event, MessageAdded, StepFinished, ToolFinished, ToolStarted
from perdure.workflows.vocabulary.folding import folded
from perdure.workflows.vocabulary.parts import BlobRef, File, Message, Part, ToolResult
from perdure.workflows.vocabulary.question_events import ApprovalRequested, InputRequested

log = structlog.get_logger(__name__)

#: Blobs that are copied at a time.
_COPIES: Final = 8


class Move:
    """From below the workflow id `source` to below `target`. What is lost stays lost, and is logged."""

    def __init__(self, blobs: BlobStore, source: str, target: str) -> None:
        self._blobs = blobs
        self._source = source
        self._target = target
        self._room = asyncio.Semaphore(_COPIES)
        #: New keys by the old ones.
        self._keys: dict[str, str] = {}
        #: Hashes of files that results name.
        self._files: set[str] = set()
        #: By the old key: folded results that name files, with their new names, folded again.
        self._anew: dict[str, ToolResult] = {}

    async def fold_anew(self, messages: Iterable[Message], events: Iterable[Event]) -> None:
        """Before the results of tools in these messages and events are named anew: folds those again that name files."""
        folded = _folded_results(messages, events)
        await asyncio.gather(*(self._name_anew(one, key) for key, one in folded.items()))

    async def _name_anew(self, one: ToolResult, old: str) -> None:
        """Folds a result again that names files, which its blob does by their old names."""
        async with self._room:
            (whole,) = await unfold(self._blobs, (one,))
            if not isinstance(whole, ToolResult) or whole.blob is not None:
                return
            output, named = with_files_of(whole.output, self._source, self._target)
            if not named:
                return
            self._files.update(named)
            renamed = whole.model_copy(update={"output": output})
            data = renamed.model_dump_json().encode()
            key = f"{self._target}/{hashlib.sha256(data).hexdigest()}"
            await self._blobs.put(key, data)
            short = folded(renamed, BlobRef(key=key, size=len(data)))
            assert isinstance(short, ToolResult)
            self._anew[old] = short

    def message(self, one: Message) -> Message:
        parts = tuple(map(self._part, one.parts))
        return one if all(map(operator.is_, parts, one.parts)) else one.model_copy(update={"parts": parts})

    def event(self, one: Event) -> Event:
        match one:
            case MessageAdded() | StepFinished():
                return one.model_copy(update={"message": self.message(one.message)})
            case ToolFinished():
                return one.model_copy(update={"result": self._part(one.result)})
            case ToolStarted() | ApprovalRequested() | InputRequested() if one.blob is not None:
                return one.model_copy(update={"blob": self._ref(one.blob)})
            case _:
                return one

    async def copy(self) -> None:
        """Copies what has been named so far."""
        blobs = (self._copy_blob(old, new) for old, new in self._keys.items())
        await asyncio.gather(*blobs, *map(self._copy_file, self._files))

    def _part(self, one: Part) -> Part:
        if one.blob is None:
            if isinstance(one, File):
                return self._file(one)
            if not isinstance(one, ToolResult):
                return one
            output, named = with_files_of(one.output, self._source, self._target)
            self._files.update(named)
            return one.model_copy(update={"output": output}) if named else one
        old = one.blob.key
        if isinstance(one, ToolResult) and old in self._anew:
            return self._anew[old].model_copy(update={"changed_args": one.changed_args})
        ref = self._ref(one.blob)
        if isinstance(one, File) and one.uri == old:
            return one.model_copy(update={"blob": ref, "uri": ref.key})
        return one.model_copy(update={"blob": ref})

    def _file(self, one: File) -> File:
        sha256 = file_in(one.uri, self._source)
        if sha256 is None:
            return one
        self._files.add(sha256)
        return one.model_copy(update={"uri": f"{self._target}/{sha256}"})

    def _ref(self, blob: BlobRef) -> BlobRef:
        new = self._keys[blob.key] = f"{self._target}/{blob.key.rpartition('/')[2]}"
        return BlobRef(key=new, size=blob.size)

    async def _copy_blob(self, old: str, new: str) -> None:
        async with self._room:
            try:
                await self._blobs.copy(old, new)
            except BlobMissing as error:
                log.warning("blob.lost", problem=str(error))

    async def _copy_file(self, sha256: str) -> None:
        async with self._room:
            await copy_file(self._blobs, self._source, self._target, sha256)


def _folded_results(messages: Iterable[Message], events: Iterable[Event]) -> dict[str, ToolResult]:
    """The results of tools whose whole lies in the blob store, by its key."""
    parts = [one for message in messages for one in message.parts]
    results = [one for one in parts if isinstance(one, ToolResult)]
    results += [event.result for event in events if isinstance(event, ToolFinished)]
    return {one.blob.key: one for one in results if one.blob is not None}
