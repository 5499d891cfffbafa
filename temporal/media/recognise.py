"""What a file is, from its bytes rather than from what somebody says of it."""

from dataclasses import dataclass
from typing import Final, Literal

from perdure.temporal.media.pages import count_pages
from perdure.temporal.media.pictures import FORMATS, BadPicture, measure
from perdure.temporal.media.signatures import signature_type
from perdure.temporal.media.texts import is_text_type, named_type, read_text

#: What a model may take a file as. `other`: no model takes it.
Kind = Literal["image", "document", "audio", "text", "other"]

#: Formats of office programs, which are containers of another type.
_CONTAINERS: Final = frozenset(("application/zip", "application/x-ole-storage", "video/mp4", "audio/ogg"))


class Unrecognised(Exception):
    """Nobody could use the file; the message says why and goes on after "it". `media_type` is what the file is said to be, by
    its bytes, its sender or its name ("": by none)."""

    def __init__(self, message: str, media_type: str = "") -> None:
        super().__init__(message)
        self.media_type = media_type


@dataclass(frozen=True, slots=True)
class Recognised:
    #: Without parameters, in lower case.
    media_type: str
    kind: Kind
    #: Of a picture, in pixels.
    width: int | None = None
    height: int | None = None
    #: Of a document, as far as it is known.
    pages: int | None = None
    #: Of a text that is not UTF-8.
    charset: str | None = None

    @property
    def described(self) -> str:
        """The media type, with the encoding of a text that is not UTF-8."""
        return self.media_type if self.charset is None else f"{self.media_type}; charset={self.charset}"


def kind_of(media_type: str) -> Kind:
    """The kind of files of this media type."""
    if is_text_type(media_type):
        return "text"
    if media_type == "application/pdf":
        return "document"
    family = media_type.partition("/")[0]
    return "image" if family == "image" else "audio" if family == "audio" else "other"


def recognise(data: bytes, declared: str = "", name: str = "") -> Recognised:
    """What the file is. `declared` is a media type as a caller gave it, with parameters; it counts where the bytes allow it.

    Takes long for large pictures: call it in a thread. Raises `Unrecognised`."""
    told, charset = _parsed(declared)
    if not data:
        raise Unrecognised("is empty", _claimed(told, name))
    media_type = signature_type(data[:32])
    if media_type is None:
        return _text(data, told, charset, name)
    if media_type in _CONTAINERS:
        media_type = _contained(media_type, told, name)
    kind = kind_of(media_type)
    if kind == "image":
        return _picture(data, media_type)
    pages = count_pages(data) if kind == "document" else None
    return Recognised(media_type, kind, pages=pages)


def _picture(data: bytes, media_type: str) -> Recognised:
    if media_type not in FORMATS.values():
        raise Unrecognised(f"is {media_type}, which cannot be read here; convert it to JPEG or PNG", media_type)
    try:
        picture = measure(data)
    except BadPicture as bad:
        raise Unrecognised(f"begins as {media_type}, but {bad}", media_type) from None
    return Recognised(picture.media_type, "image", width=picture.width, height=picture.height)


def _text(data: bytes, told: str, charset: str | None, name: str) -> Recognised:
    by_name = named_type(name) or ""
    types = [one for one in (told, by_name) if is_text_type(one)]
    read = read_text(data, charset, likely=bool(types))
    if read is None:
        claimed = _claimed(told, name)
        said = f"does not hold {claimed}" if claimed else "is of no known type"
        raise Unrecognised(
            f"{said}: its bytes are neither text nor begin as a picture, a PDF, a sound or an archive do", claimed
        )
    if not types and _is_medium(told):
        raise Unrecognised(f"does not hold {told}: its bytes are text", told)
    _, encoding = read
    # What forms and programs send for want of anything better says less than the name.
    specific = [one for one in types if one != "text/plain"]
    plain = encoding in ("utf-8", "utf-8-sig")
    return Recognised((specific or types or ["text/plain"])[0], "text", charset=None if plain else encoding)


def _is_medium(media_type: str) -> bool:
    """Whether files of this type are known by their first bytes, and are no text. The name of a text can say otherwise: forms
    send `video/mp2t` for TypeScript."""
    return kind_of(media_type) in ("image", "document", "audio") or media_type.startswith("video/")


def _claimed(told: str, name: str) -> str:
    return (
        next((one for one in (told, named_type(name)) if one not in (None, "", "application/octet-stream")), "") or ""
    )


def _contained(media_type: str, told: str, name: str) -> str:
    """The container's own type, unless its name or its sender says which file lies in it."""
    for claimed in (named_type(name) or "", told):
        if claimed.startswith(("application/vnd.", "application/msword", "audio/", "video/", "application/epub")):
            return claimed
    return media_type


def _parsed(declared: str) -> tuple[str, str | None]:
    """The type and the charset of a header `Content-Type`."""
    media_type, _, parameters = declared.partition(";")
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            return media_type.strip().lower(), value.strip().strip("\"'") or None
    return media_type.strip().lower(), None
