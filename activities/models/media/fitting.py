"""Pictures made to fit what a server takes: its formats, the pixels of an edge, the bytes of a file.

A picture that fits goes as it is. Decoding takes long: call it in a thread.
"""

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image

from perdure.temporal.media.pictures import BadPicture, described, opened, upright
from perdure.workflows.definition.providers.dialect import FilesDialect

#: Qualities of JPEG, tried one after the other until the bytes fit; then the picture is made smaller.
_QUALITIES: Final = (85, 70, 50)
_SHRINK: Final = 0.7
_SMALLEST: Final = 16
_NAMES: Final = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Fitted:
    data: bytes
    media_type: str
    width: int
    height: int
    #: What was done, as in `scaled from 4000 × 3000 to 2000 × 1500 pixels`; empty where nothing was.
    changed: tuple[str, ...] = ()


def fitted(data: bytes, files: FilesDialect) -> Fitted:
    """The picture as a server with these limits takes it. Raises `BadPicture`."""
    with opened(data) as image:
        seen = described(image)
        too_large = max(seen.width, seen.height) > files.image_edge
        straight = image.getexif().get(0x0112, 1) == 1
        fits = seen.media_type in files.images and not too_large and len(data) <= files.image_bytes
        if fits and straight and not seen.animated:
            return Fitted(data, seen.media_type, seen.width, seen.height)
        changed = ["shown by its first frame"] if seen.animated else []
        image.draft("RGB", (files.image_edge, files.image_edge))
        drawn = _drawn(upright(image))
    if too_large:
        drawn.thumbnail((files.image_edge, files.image_edge), Image.Resampling.LANCZOS)
    encoded, media_type, drawn = _encoded(drawn, seen.media_type, files)
    if drawn.size != (seen.width, seen.height):
        changed.append(f"scaled from {seen.width} × {seen.height} to {drawn.width} × {drawn.height} pixels")
    if media_type != seen.media_type:
        changed.append(f"converted from {seen.media_type} to {media_type}")
    elif not changed and len(data) > files.image_bytes:
        changed.append(f"packed from {len(data)} to {len(encoded)} bytes")
    return Fitted(encoded, media_type, drawn.width, drawn.height, tuple(changed))


def _drawn(image: Image.Image) -> Image.Image:
    """The picture in a mode that every format takes: grey, RGB, or RGBA where it is transparent."""
    image.load()
    if image.mode in ("L", "RGB", "RGBA"):
        return image.copy()
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode.startswith("I;16"):
        # Pillow would take all but the darkest values for white.
        return image.point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("L" if image.mode == "1" else "RGB")


def _encoded(image: Image.Image, media_type: str, files: FilesDialect) -> tuple[bytes, str, Image.Image]:
    """The bytes, their type, and the picture that they show. Drawings stay PNG where they fit, photographs are JPEG."""
    sharp = "image/png" in files.images and (image.mode == "RGBA" or media_type != "image/jpeg")
    while True:
        if sharp:
            data = _saved(image, "PNG", optimize=True)
            if len(data) <= files.image_bytes:
                return data, "image/png", image
        lossy = next((one for one in ("image/jpeg", "image/webp") if one in files.images), None)
        if lossy is not None:
            plain = _on_white(image) if lossy == "image/jpeg" else image
            for quality in _QUALITIES:
                data = _saved(plain, _NAMES[lossy], quality=quality)
                if len(data) <= files.image_bytes:
                    return data, lossy, plain
        elif not sharp:
            raise BadPicture("is in a format that the model does not take, nor any that it can be converted to")
        smaller = (int(image.width * _SHRINK), int(image.height * _SHRINK))
        if min(smaller) < 1 or max(smaller) < _SMALLEST:
            raise BadPicture(f"cannot be made smaller than {files.image_bytes} bytes")
        image = image.resize(smaller, Image.Resampling.LANCZOS)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _saved(image: Image.Image, kind: str, **options: bool | int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
