"""What the demo model says of files: what it can tell for certain, which shows that they have come."""

import base64
import io
from collections import Counter
from typing import Any, Final

from PIL import Image

from perdure.activities.models.media.shown import Media, ShownFile, sized
from perdure.workflows.vocabulary.parts import Part

#: Colours by which it describes pictures.
_COLOURS: Final = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (200, 30, 30),
    "orange": (240, 140, 30),
    "yellow": (240, 220, 60),
    "green": (40, 150, 60),
    "blue": (40, 80, 200),
    "purple": (130, 60, 170),
    "pink": (240, 150, 190),
    "brown": (120, 75, 40),
}
#: Pixels of the edge of what is looked at.
_SAMPLE: Final = 32


def as_asked(part: Part) -> Part:
    """The part as the demo model is asked with it: words in place of a file that it is not shown."""
    return part.shown if isinstance(part, ShownFile) and not isinstance(part.shown, Media) else part


def bytes_of(part: Part) -> dict[str, Any]:
    """What a file is sent with, beside its description."""
    return {"data": part.shown.data} if isinstance(part, ShownFile) and isinstance(part.shown, Media) else {}


def described(files: list[dict[str, Any]]) -> str:
    """What it sees of file parts, as the request has them."""
    seen = [_described(file) for file in files]
    return f"I see {', '.join(seen[:-1])} and {seen[-1]}." if len(seen) > 1 else f"I see {seen[0]}."


def _described(file: dict[str, Any]) -> str:
    data = base64.b64decode(file.get("data") or "")
    about = f"{file['media_type']}, {sized(file.get('bytes') or len(data))}"
    if not file["media_type"].startswith("image/"):
        return f"“{file['name']}” ({about})"
    with Image.open(io.BytesIO(data)) as picture:
        size = f"{picture.width} × {picture.height} pixels"
        sample = picture.convert("RGB").resize((_SAMPLE, _SAMPLE), Image.Resampling.NEAREST)
    counts: Counter[str] = Counter()
    # A mean of the pixels would be a colour that may be nowhere in the picture.
    for count, pixel in sample.getcolors(_SAMPLE**2) or ():
        assert isinstance(pixel, tuple)
        counts[_nearest(pixel)] += count
    return f"“{file['name']}”, a picture of {size}, mostly {counts.most_common(1)[0][0]} ({about})"


def _nearest(pixel: tuple[int, ...]) -> str:
    return min(_COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], pixel, strict=True)))
