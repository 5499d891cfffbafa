"""Which files a model takes, in words for those whose file it does not take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from perdure.temporal.definitions.dialects import dialect_of
from perdure.temporal.definitions.endpoints import address_of
from perdure.temporal.media.pictures import FORMATS
from perdure.temporal.media.recognise import kind_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import FilesDialect
from perdure.workflows.definition.providers.table import PROVIDERS

#: Other names of the same media types.
_SAME: Final = {
    "audio/mp3": "audio/mpeg",
    "audio/mpga": "audio/mpeg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-aac": "audio/aac",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
}


def same_type(media_type: str) -> str:
    """The usual name of a media type that has several."""
    return _SAME.get(media_type, media_type)


@dataclass(frozen=True, slots=True)
class Taker:
    """A model, and the files that it takes."""

    #: `provider/model`
    model: str
    files: FilesDialect

    @classmethod
    def of(cls, model: ModelDefinition, environment: Mapping[str, str]) -> "Taker | None":
        """None where nobody here can say, for this process does not know the address of the model."""
        provider = PROVIDERS[model.provider]
        if provider.endpoint is not None and address_of(model, environment) is None:
            return None
        return cls(model.use, dialect_of(provider, model, environment).files)

    def takes(self, media_type: str) -> bool:
        """Whether the model is shown files of this type, in whatever form. A picture goes in another format if need be."""
        media_type = same_type(media_type)
        match kind_of(media_type):
            case "text":
                return True
            case "image":
                return bool(self.files.images) and (media_type in self.files.images or media_type in FORMATS.values())
            case "document":
                return media_type in self.files.documents
            case "audio":
                return media_type in {same_type(one) for one in self.files.audio}
            case _:
                return False

    def refusal(self, media_type: str, size: int | None = None) -> str | None:
        """Why a file of `size` bytes is not taken; None: it is."""
        if not self.takes(media_type):
            known = sorted(self.files.images | self.files.documents | self.files.audio)
            others = f"it takes text, {', '.join(known)}" if known else "it takes text only"
            return f"the model {self.model} takes no {media_type}; {others}"
        limit = self.files.document_bytes
        if size is not None and size > limit and kind_of(media_type) in ("document", "audio"):
            return f"the model {self.model} takes {media_type} of up to {limit} bytes, and this has {size}"
        return None
