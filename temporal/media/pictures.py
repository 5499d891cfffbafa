"""Pictures, read by Pillow: what they measure, and whether they are whole.

Rule 1: only formats that people send are read. Pillow knows others, some of which start programs.
Rule 2: the size is looked at before anything is decoded, so that a small file cannot become gigabytes.
Rule 3: decoding takes long; call it in a thread.
Rule 4: a file of nothing but tiny blocks, which Pillow reads one by one, is given up soon: no program writes such files.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

#: Media types by Pillow's names of the formats that are read.
FORMATS: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
#: MPO, of cameras with two lenses, is found behind JPEG.
_OPENED: Final = [name for name in FORMATS if name != "MPO"]
#: Pixels of a picture; Pillow itself warns of more.
MAX_PIXELS: Final = 89_000_000
#: Reads of a file, and the bytes for which there is one more. Formats with small blocks have some of 255 bytes, and are gone
#: through three times at most.
_READS: Final = 10_000
_PER_READ: Final = 16
_ORIENTATION: Final = 0x0112
#: Orientations of Exif 2.3 that turn a picture by a quarter.
_TURNED: Final = frozenset((5, 6, 7, 8))


class BadPicture(Exception):
    """The bytes are no picture that can be read; the message says why and goes on after "it"."""


@dataclass(frozen=True, slots=True)
class Picture:
    media_type: str
    #: As it is shown, turned as its Exif data say.
    width: int
    height: int
    animated: bool


def measure(data: bytes) -> Picture:
    """What the picture measures, once all of it was decoded. Raises `BadPicture`."""
    with opened(data) as image:
        picture = described(image)
        # At an eighth of the size, of formats that can: all that counts is that nothing is missing.
        image.draft("RGB", (max(image.width // 8, 1), max(image.height // 8, 1)))
        image.load()
        return picture


class _Bytes(io.BytesIO):
    """A file that ends its reader's patience with too many reads. Raises OSError then."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _READS + len(data) // _PER_READ

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("too many blocks")
        return super().read(size)


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """The picture, not decoded yet. Whatever Pillow raises inside becomes `BadPicture`."""
    try:
        with Image.open(_Bytes(data), formats=_OPENED) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadPicture(
                    f"has {image.width} × {image.height} pixels; at most {MAX_PIXELS // 1_000_000} million are read"
                )
            yield image
    except UnidentifiedImageError:
        raise BadPicture("is no picture of a known format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(f"has more pixels than the {MAX_PIXELS // 1_000_000} million that are read") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        MemoryError,
        OverflowError,
    ) as error:
        # Pillow's decoders raise all of these for damaged files.
        raise BadPicture("is damaged: it cannot be decoded") from error


def described(image: Image.Image) -> Picture:
    width, height = image.size
    if turned(image):
        width, height = height, width
    return Picture(
        FORMATS[image.format or ""], width, height, animated=getattr(image, "n_frames", 1) > 1 and image.format != "MPO"
    )


def turned(image: Image.Image) -> bool:
    return image.getexif().get(_ORIENTATION) in _TURNED


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its Exif data say, itself where they say nothing."""
    return ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image
