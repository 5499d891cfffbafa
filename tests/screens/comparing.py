"""Pictures as they are kept: small, and compared with those that were kept before."""

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops

#: Where the committed pictures are.
KEPT: Final = Path(__file__).parent / "pictures"
#: Of 255: a smaller difference is not seen. Fewer pixels than this are no change.
_SHADE: Final = 4
_FEW: Final = 6
#: Pixels along the side of a tile, the difference of its colour that counts (of 255), and the share of tiles that may differ.
_TILE: Final = 32
_TINT: Final = 12
_OTHER: Final = 0.05


def read(shot: bytes) -> Image.Image:
    return Image.open(io.BytesIO(shot)).convert("RGB")


def write(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, lossless=True, quality=100, method=4)


def changed(picture: Image.Image, kept: Image.Image) -> bool:
    """Whether people could see a difference, on the machine that made both."""
    if picture.size != kept.size:
        return True
    bands = ImageChops.difference(picture, kept).split()
    most = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    return sum(most.histogram()[_SHADE:]) >= _FEW


def unlike(picture: Image.Image, kept: Image.Image) -> str | None:
    """Why they show different things, though other fonts may have drawn them; None: they show the same.

    Tiles are compared by their mean colours: letters of another shape change few of them; another theme, a card or a list
    that is missing, or an empty page changes many.
    """
    if picture.size != kept.size:
        return f"is {picture.size}, and was {kept.size}"
    small = (picture.width // _TILE, picture.height // _TILE)
    bands = ImageChops.difference(
        picture.resize(small, Image.Resampling.BOX), kept.resize(small, Image.Resampling.BOX)
    ).split()
    most = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    share = sum(most.histogram()[_TINT:]) / (small[0] * small[1])
    return f"differs in {share:.0%} of its area" if share > _OTHER else None
