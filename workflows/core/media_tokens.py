"""What files cost in tokens, as vendors say how they charge them. Pure.

Rule: an estimate that decides over money errs upwards, so a size that is not known counts as the largest.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from pydantic import JsonValue

from perdure.workflows.definition.providers.dialect import ImageCharge
from perdure.workflows.vocabulary.parts import File, Message, ToolResult

#: Of one picture at most, and of one whose size is not known.
_MOST: Final[dict[ImageCharge, int]] = {"area": 4784, "tiles": 2550, "crops": 2580}
#: Of one page of a PDF: its text, and its picture.
_PAGE: Final[dict[ImageCharge, int]] = {"area": 4600, "tiles": 2400, "crops": 600}
#: Bytes of a PDF whose pages are not known that count as one page.
_BYTES_A_PAGE: Final = 20_000
#: Bytes of packed sound that cost a token: 32 tokens a second (Gemini, which charges most) at 64 kbit/s.
_BYTES_OF_SOUND: Final = 250


#: Characters of a text document that a model is shown, at most.
TEXT_CHARACTERS: Final = 200_000
_BYTES_A_TOKEN: Final = 3
#: How deep in a tool's output files are looked for.
_DEEPEST: Final = 32
_REFERENCES: Final = frozenset(("image", "audio", "resource", "file"))


@dataclass(frozen=True)
class Medium:
    """A file that a model is shown, as far as its cost goes by it."""

    kind: Literal["image", "document", "audio", "text"]
    bytes: int
    width: int | None = None
    height: int | None = None
    pages: int | None = None


def tokens_of(medium: Medium, charge: ImageCharge) -> int:
    """Tokens that a file costs where pictures are charged by `charge`."""
    match medium.kind:
        case "image":
            if medium.width is None or medium.height is None:
                return _MOST[charge]
            return min(_CHARGES[charge](medium.width, medium.height), _MOST[charge])
        case "document":
            pages = medium.pages or -(-medium.bytes // _BYTES_A_PAGE)
            return max(pages, 1) * _PAGE[charge]
        case "audio":
            return -(-medium.bytes // _BYTES_OF_SOUND)
        case "text":
            return -(-min(medium.bytes, TEXT_CHARACTERS) // _BYTES_A_TOKEN)
        case _:
            assert_never(medium.kind)


def media_in(message: Message) -> tuple[Medium, ...]:
    """The files of a message that cost more than the JSON that names them."""
    found: list[Medium] = []
    for part in message.parts:
        if isinstance(part, File):
            found.append(Medium(_kind(part.media_type), part.bytes or 0, part.width, part.height, part.pages))
        elif isinstance(part, ToolResult) and part.blob is None:
            found += _referenced(part.output, _DEEPEST)
    return tuple(found)


def _referenced(output: JsonValue, depth: int) -> Iterator[Medium]:
    if depth == 0 or not isinstance(output, dict | list):
        return
    if isinstance(output, dict) and output.get("type") in _REFERENCES and isinstance(output.get("uri"), str):
        media_type, size = output.get("media_type"), output.get("bytes")
        kind = _kind(media_type if isinstance(media_type, str) else "")
        yield Medium(kind, size if isinstance(size, int) else 0)
        return
    for inner in output.values() if isinstance(output, dict) else output:
        yield from _referenced(inner, depth - 1)


def _kind(media_type: str) -> Literal["image", "document", "audio", "text"]:
    family = media_type.partition("/")[0]
    if media_type == "application/pdf":
        return "document"
    # Whatever no model is shown costs a few words, and counts as text.
    return "image" if family == "image" else "audio" if family == "audio" else "text"


def area_tokens(width: int, height: int) -> int:
    """Anthropic: tokens = width × height / 750; newer models read pictures of up to 4,784 tokens (guide "Vision")."""
    return math.ceil(width * height / 750)


def tile_tokens(width: int, height: int) -> int:
    """OpenAI: fitted into 2,048 × 2,048, the shorter side scaled to 768, then 170 for each tile of 512 × 512, and 85 (guide
    "Images and vision", high detail); at least the 32-pixel patches of newer models, 1,536 of them at most."""
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    tiles = math.ceil(width * scale / 512) * math.ceil(height * scale / 512)
    patches = min(math.ceil(width / 32) * math.ceil(height / 32), 1536)
    # The small models count a patch up to 1.62 times.
    return max(85 + 170 * tiles, math.ceil(patches * 1.62))


def crop_tokens(width: int, height: int) -> int:
    """Gemini: 258 where both sides have at most 384 pixels, else 258 for each crop of 768 × 768 (guide "Image
    understanding")."""
    if max(width, height) <= 384:
        return 258
    unit = max(min(width, height) // 3 * 2, 1)
    side = min(max(unit, 256), 768)
    return 258 * math.ceil(width / side) * math.ceil(height / side)


_CHARGES: Final = {"area": area_tokens, "tiles": tile_tokens, "crops": crop_tokens}
