"""Files that a message brings along, at the door of its session: what they are, whether the session's model takes them, and
where they are kept from then on.

Rule 1: nothing is stored of a message that is refused, and a refusal names the part.
Rule 2: a session's files are its own. Uploads are copied, `data:` URIs are put away as bytes; no history holds base64. An
address stays an address.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from perdure.temporal.definitions.files import Taker
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.media.data_uris import BadDataUri, declared_type, is_data_uri, read_data_uri
from perdure.temporal.media.reading import in_thread
from perdure.temporal.media.recognise import Recognised, Unrecognised, recognise
from perdure.temporal.sessions.errors import FileNotTaken, FileUnreadable, InvalidRequest
from perdure.temporal.sessions.file_names import file_name, name_in
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.uploads import URI, Upload, Uploads
from perdure.temporal.stores.blobs import BlobMissing, BlobStore, are_inline
from perdure.temporal.stores.files import note_upload, put_file
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.vocabulary.parts import File, Part


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A file whose bytes are known, and where they are."""

    part: File
    #: With the encoding of a text.
    media_type: str
    source: bytes | Upload


class MessageFiles:
    """Takes in what messages bring along. `environment` gives what `${NAME}` in addresses of models stands for."""

    def __init__(
        self, blobs: BlobStore, uploads: Uploads, definitions: Definitions, environment: Mapping[str, str]
    ) -> None:
        self._blobs = blobs
        self._uploads = uploads
        self._definitions = definitions
        self._environment = environment

    async def take_in(
        self, caller: Principal, session: str, parts: tuple[Part, ...], taker: Taker | None, below: str = ""
    ) -> tuple[Part, ...]:
        """`parts` with their files as `session` (a workflow id) keeps them. `taker` is the model that the session runs on, if
        that is known; `below` is the field of the request that holds `parts`, with a dot at its end.

        Raises `InvalidRequest`, `FileUnreadable`, `FileNotTaken`, all with the field, and `StoreUnavailable`."""
        if not any(isinstance(part, File) for part in parts):
            return parts
        found: list[Part | _Arrived] = []
        for index, part in enumerate(parts):
            field = f"{below}parts[{index}]"
            one = await self._look(caller, part, field, taker) if isinstance(part, File) else part
            looked_at = one.part if isinstance(one, _Arrived) else one
            if isinstance(looked_at, File):
                _refuse(taker, looked_at.media_type, field, looked_at.bytes)
            found.append(one)
        return tuple([await self._kept(caller, session, one, f"{below}parts[{i}].uri") for i, one in enumerate(found)])

    def are_short(self, parts: tuple[Part, ...]) -> bool:
        """Whether nothing of `parts` would be stored, so that a history holds them as they are."""
        kept = (is_data_uri(part.uri) or URI.fullmatch(part.uri) for part in parts if isinstance(part, File))
        return not any(kept) and are_inline(parts)

    async def taker(self, tenant: str, receipt: Receipt) -> Taker | None:
        """The model that a session runs on by its receipt. None where that is not known here."""
        known = None if receipt.pinned else self._definitions.current(receipt.agent, tenant)
        definition = known.definition if known else await self._definitions.by_digest(receipt.digest, tenant)
        return None if definition is None else self.taker_of(definition, receipt.role)

    def taker_of(self, definition: AgentDefinition, role: str | None = None) -> Taker | None:
        """The model of `definition` that answers where `role` was asked for."""
        chosen = role if role in definition.models else definition.model
        return Taker.of(definition.models[chosen], self._environment)

    async def _look(self, caller: Principal, part: File, field: str, taker: Taker | None) -> File | _Arrived:
        if is_data_uri(part.uri):
            try:
                data, declared = read_data_uri(part.uri)
                seen = await in_thread(recognise, data, declared or part.media_type, part.name)
            except BadDataUri as problem:
                _refuse(taker, declared_type(part.uri) or part.media_type, field)
                raise InvalidRequest(f"{field}.uri", str(problem)) from None
            except Unrecognised as problem:
                # What the model would not take in any case need not be mended first.
                _refuse(taker, problem.media_type, field)
                raise FileUnreadable(f"{field}.uri", f"the file {problem}") from None
            known = _as_part(seen, file_name(part.name, seen.media_type), len(data))
            return _Arrived(known, seen.described, data)
        if URI.fullmatch(part.uri) is not None:
            upload = await self._uploads.find(caller, part.uri)
            if upload is None:
                raise InvalidRequest(f"{field}.uri", "is no upload of yours, or one that has expired; upload it again")
            media_type = upload.media_type.partition(";")[0]
            seen = Recognised(media_type, "other", upload.width, upload.height, upload.pages)
            return _Arrived(_as_part(seen, part.name or upload.name, upload.bytes), upload.media_type, upload)
        return part.model_copy(update={"name": part.name or name_in(part.uri, part.media_type)})

    async def _kept(self, caller: Principal, session: str, one: Part | _Arrived, field: str) -> Part:
        if not isinstance(one, _Arrived):
            return one
        if isinstance(one.source, Upload):
            try:
                data = await self._uploads.read(caller, one.source)
            except BlobMissing:
                raise InvalidRequest(field, "is an upload that has just expired; upload it again") from None
            await note_upload(self._blobs, session, one.source.uri)
        else:
            data = one.source
        sha256 = hashlib.sha256(data).hexdigest()
        await put_file(self._blobs, session, sha256, data, one.media_type)
        return one.part.model_copy(update={"uri": f"{session}/{sha256}"})


def _refuse(taker: Taker | None, media_type: str, field: str, size: int | None = None) -> None:
    """Raises `FileNotTaken` where the model is known, and takes no such file."""
    refusal = taker.refusal(media_type, size) if taker is not None and media_type else None
    if refusal is not None:
        raise FileNotTaken(field, refusal)


def _as_part(seen: Recognised, name: str, size: int) -> File:
    return File(
        uri="",
        media_type=seen.media_type,
        name=name,
        bytes=size,
        width=seen.width,
        height=seen.height,
        pages=seen.pages,
    )
