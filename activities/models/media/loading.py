"""Loads the files of a conversation before a request is built from it, so that building it stays pure.

Rule 1: a model is shown what it takes. Of any other file it is told type, name and size: also of pictures from before the
session moved to a model that cannot see.
Rule 2: where a request cannot hold all files, the newest are shown.
Rule 3: the same conversation gives the same request, on every worker and in the trace.
"""

import base64
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from perdure.activities.models.media.addresses import NotFetched, at_address
from perdure.activities.models.media.fitting import Fitted, fitted
from perdure.activities.models.media.references import files_in, told
from perdure.activities.models.media.shown import Media, ShownFile, ShownResult, is_address, sized
from perdure.activities.shipped.safe_fetch import Fetcher
from perdure.temporal.definitions.files import Taker, same_type
from perdure.temporal.media.pictures import BadPicture
from perdure.temporal.media.reading import in_thread
from perdure.temporal.media.recognise import kind_of
from perdure.temporal.media.texts import read_text
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.files import file_in, get_file
from perdure.workflows.core.budget import BYTES_PER_TOKEN
from perdure.workflows.core.media_tokens import TEXT_CHARACTERS, Medium, tokens_of
from perdure.workflows.definition.providers.dialect import FilesDialect
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import File, Message, Part, Text, ToolResult

#: Bytes of all files of one request, before base64: as much as the smallest vendor's limit of 20 MB leaves.
_REQUEST_BYTES: Final = 14_000_000
_CACHE_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """A conversation with its files."""

    messages: tuple[Message, ...]
    #: Characters of base64 that a request made of it holds, and what they cost in tokens.
    encoded: int = 0
    tokens: int = 0
    #: What was done to files so that they fit, for people.
    adapted: tuple[str, ...] = ()

    def weight_of(self, body: bytes) -> int:
        """Bytes of text that a request made of it costs as much as: base64 is charged by what it shows."""
        return max(len(body) - self.encoded, 0) + self.tokens * BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class _Shown:
    content: Media | Text
    #: Before base64.
    size: int = 0
    tokens: int = 0
    adapted: tuple[str, ...] = ()


@dataclass(slots=True)
class _Loading:
    """One conversation: what each of its files is shown as, by what the conversation calls it."""

    workflow_id: str
    taker: Taker
    shown: dict[tuple[str, str], _Shown] = field(default_factory=dict)
    room: int = _REQUEST_BYTES
    images: int = 0


class MediaLoader:
    """`environment` gives what `${NAME}` in addresses of models stands for. With `fetch` None, nothing is fetched from the
    addresses that users gave."""

    def __init__(self, blobs: BlobStore, environment: Mapping[str, str], fetch: Fetcher | None = None) -> None:
        self._blobs = blobs
        self._environment = environment
        self._fetch = fetch
        self._cache: OrderedDict[tuple[str, FilesDialect], Fitted] = OrderedDict()
        self._cached = 0

    async def load(self, workflow_id: str, prompt: Prompt, messages: tuple[Message, ...]) -> Loaded:
        """The conversation as the prompt's model can be shown it. Raises `StoreUnavailable`."""
        if prompt.retelling is not None:
            # They are told by name.
            return Loaded(messages)
        files = [file for message in messages for part in message.parts for file in _files(part, workflow_id)]
        if not files:
            return Loaded(messages)
        taker = Taker.of(prompt.model, self._environment) or Taker(prompt.model.use, FilesDialect())
        loading = _Loading(workflow_id, taker, images=taker.files.most_images)
        for file in reversed(files):
            if _key(file) not in loading.shown:
                loading.shown[_key(file)] = await self._show(loading, file)
        every = loading.shown.values()
        return Loaded(
            tuple(_message(message, loading) for message in messages),
            # A file that is named several times is sent each time.
            sum(len(one.data or "") for one in _media(files, loading)),
            sum(loading.shown[_key(file)].tokens for file in files),
            tuple(dict.fromkeys(word for one in every for word in one.adapted)),
        )

    async def _show(self, loading: _Loading, file: File) -> _Shown:
        if file_in(file.uri, loading.workflow_id) is None:
            if _is_fetched_there(file, loading.taker.files):
                return _vendor_fetches(loading, file)
            try:
                file = await at_address(self._blobs, loading.workflow_id, file, self._fetch)
            except NotFetched as why:
                return _words(file, f"it could not be fetched from its address: {why}")
        kind = kind_of(file.media_type)
        if not loading.taker.takes(file.media_type):
            return _words(file, "this model cannot be shown it")
        sha256 = file_in(file.uri, loading.workflow_id) or ""
        found = await get_file(self._blobs, loading.workflow_id, sha256)
        if found is None:
            return _words(file, "it is no longer there")
        data, described = found
        if kind == "text":
            return _text(file, data, described)
        if kind == "image":
            return await self._image(loading, file, sha256, data)
        if len(data) > min(loading.taker.files.document_bytes, loading.room):
            return _words(file, "there is no room for it in the request")
        loading.room -= len(data)
        if kind == "other":
            return _words(file, "this model cannot be shown it")
        return _whole(loading, file, same_type(file.media_type), data, Medium(kind, len(data), pages=file.pages))

    async def _image(self, loading: _Loading, file: File, sha256: str, data: bytes) -> _Shown:
        if loading.images == 0:
            return _words(file, "newer pictures have taken its place in the request")
        limits = loading.taker.files
        try:
            picture = self._remembered(sha256, limits)
            if picture is None:
                picture = await in_thread(loading.workflow_id.partition("/")[0], fitted, data, limits)
                self._remember(sha256, limits, picture)
        except BadPicture as why:
            return _words(file, f"it {why}")
        if len(picture.data) > loading.room:
            return _words(file, "there is no room for it in the request")
        loading.room -= len(picture.data)
        loading.images -= 1
        medium = Medium("image", len(picture.data), picture.width, picture.height)
        shown = _whole(loading, file, picture.media_type, picture.data, medium)
        return replace(shown, adapted=tuple(f"{file.name} {word}" for word in picture.changed))

    def _remembered(self, sha256: str, limits: FilesDialect) -> Fitted | None:
        found = self._cache.get((sha256, limits))
        if found is not None:
            self._cache.move_to_end((sha256, limits))
        return found

    def _remember(self, sha256: str, limits: FilesDialect, picture: Fitted) -> None:
        if (sha256, limits) in self._cache:
            return
        self._cache[(sha256, limits)] = picture
        self._cached += len(picture.data)
        while self._cached > _CACHE_BYTES:
            _, dropped = self._cache.popitem(last=False)
            self._cached -= len(dropped.data)


def _files(part: Part, workflow_id: str) -> list[File]:
    match part:
        case File():
            return [part]
        case ToolResult():
            return list(files_in(part.output, workflow_id))
        case _:
            return []


def _key(file: File) -> tuple[str, str]:
    return file.uri, file.name


def _media(files: list[File], loading: _Loading) -> list[Media]:
    shown = (loading.shown[_key(file)].content for file in files)
    return [one for one in shown if isinstance(one, Media)]


def _is_fetched_there(file: File, files: FilesDialect) -> bool:
    return files.fetches_urls and file.uri.startswith("https://") and same_type(file.media_type) in files.images


def _vendor_fetches(loading: _Loading, file: File) -> _Shown:
    if loading.images == 0:
        return _words(file, "newer pictures have taken its place in the request")
    loading.images -= 1
    content = Media("image", same_type(file.media_type), file.name, url=file.uri)
    return _Shown(content, tokens=tokens_of(Medium("image", 0), loading.taker.files.charge))


def _whole(loading: _Loading, file: File, media_type: str, data: bytes, medium: Medium) -> _Shown:
    assert medium.kind != "text"
    content = Media(medium.kind, media_type, file.name, base64.b64encode(data).decode())
    return _Shown(content, len(data), tokens_of(medium, loading.taker.files.charge))


def _text(file: File, data: bytes, described: str) -> _Shown:
    charset = described.partition("charset=")[2] or None
    read = read_text(data, charset, likely=True)
    if read is None:
        return _words(file, "it cannot be read as text")
    return _Shown(Text(text=f"[file {file.name} ({file.media_type})]\n{preview(read[0], TEXT_CHARACTERS // 2)}"))


def _words(file: File, why: str) -> _Shown:
    size = "" if file.bytes is None else f", {sized(file.bytes)}"
    # An address that the user gave says something to the model, which may have a tool that reads addresses.
    place = f" at {file.uri}" if is_address(file.uri) else ""
    return _Shown(Text(text=f"[file {file.name} ({file.media_type}{size}){place}: {why}]"))


def _message(message: Message, loading: _Loading) -> Message:
    parts = tuple(_part(part, loading) for part in message.parts)
    return (
        message if all(new is old for new, old in zip(parts, message.parts, strict=True)) else message.with_parts(parts)
    )


def _part(part: Part, loading: _Loading) -> Part:
    if isinstance(part, File):
        content = loading.shown[_key(part)].content
        return ShownFile.model_construct(**dict(part), shown=content)
    if not isinstance(part, ToolResult):
        return part
    files = list(files_in(part.output, loading.workflow_id))
    if not files:
        return part
    beside: list[Media] = []

    def words(file: File) -> str:
        content = loading.shown[_key(file)].content
        if isinstance(content, Text):
            return content.text
        beside.append(content)
        size = "" if file.bytes is None else f", {sized(file.bytes)}"
        return f"[{content.kind} {file.name} ({file.media_type}{size}): shown beside this result]"

    output = told(part.output, loading.workflow_id, words)
    return ShownResult.model_construct(**{**dict(part), "output": output}, beside=tuple(beside))
