"""What people and tools say, as Chat Completions takes it: text, pictures, sounds and documents. Pure."""

from collections.abc import Iterable

from pydantic import JsonValue

from perdure.activities.models.provider_turns import Content, Media, as_text, text_of
from perdure.workflows.definition.providers.dialect import FilesDialect


def content(parts: Iterable[Content], files: FilesDialect) -> JsonValue:
    """The `content` of a message: one text, or a list of parts where it has media that the model takes."""
    parts = tuple(parts)
    if not any(isinstance(part, Media) and takes(part, files) for part in parts):
        return as_text(parts)
    return [_part(part, files) for part in parts]


def takes(media: Media, files: FilesDialect) -> bool:
    """Whether the model takes `media` in a form of its own."""
    match media.kind:
        case "image":
            return media.media_type in files.images and (media.data is not None or files.fetches_urls)
        case "audio":
            return media.media_type in files.audio and media.data is not None
        case "document":
            return media.media_type in files.documents and media.data is not None


def _part(part: Content, files: FilesDialect) -> JsonValue:
    if not isinstance(part, Media) or not takes(part, files):
        return {"type": "text", "text": text_of(part)}
    data = f"data:{part.media_type};base64,{part.data}"
    match part.kind:
        case "image":
            return {"type": "image_url", "image_url": {"url": data if part.data is not None else part.url}}
        case "audio":
            form = part.media_type.partition("/")[2].removeprefix("x-")
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": _FORMATS.get(form, form)}}
        case "document":
            return {"type": "file", "file": {"filename": part.name, "file_data": data}}


#: The API's names for kinds of sound, where they differ from the media type's.
_FORMATS = {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav", "mp4": "m4a"}
