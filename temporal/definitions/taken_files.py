"""What a model's definition says of the files that it takes, in place of what is known of it. Pure."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from perdure.workflows.definition.model import FileKind
from perdure.workflows.definition.providers.dialect import Dialect

_IMAGES: Final = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_DOCUMENTS: Final = frozenset(("application/pdf",))
_AUDIO: Final = frozenset(("audio/wav", "audio/mpeg"))
_NONE: Final[frozenset[str]] = frozenset()


def with_files(dialect: Dialect, kinds: Collection[FileKind] | None) -> Dialect:
    """`dialect` of a model that takes files of these kinds and no others; None: as it is.

    Where nothing is known of a kind, the formats count that every vendor takes who takes the kind at all."""
    if kinds is None:
        return dialect
    files = dialect.files
    taken = replace(
        files,
        images=(files.images or _IMAGES) if "image" in kinds else _NONE,
        documents=(files.documents or _DOCUMENTS) if "document" in kinds else _NONE,
        audio=(files.audio or _AUDIO) if "audio" in kinds else _NONE,
    )
    return replace(dialect, files=taken)
