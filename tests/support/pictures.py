"""Small pictures and documents for tests, made by Pillow and by hand."""

import io
import wave
from typing import Any

from PIL import Image


def picture(
    kind: str = "PNG", size: tuple[int, int] = (40, 20), colour: Any = (200, 30, 30), mode: str = "RGB", **options: Any
) -> bytes:
    """A picture of one colour in Pillow's format `kind`."""
    return saved(Image.new(mode, size, colour), kind, **options)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(size: tuple[int, int]) -> Image.Image:
    """A picture that no format packs well."""
    return Image.effect_noise(size, 90).convert("RGB")


def animation(size: tuple[int, int] = (30, 30), kind: str = "GIF") -> bytes:
    """Red, then blue."""
    frames = [Image.new("RGB", size, colour) for colour in ("red", "blue")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def turned(size: tuple[int, int] = (40, 20)) -> bytes:
    """A JPEG that is to be shown turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", size, exif=exif)


def pdf(pages: int = 1) -> bytes:
    """A document of empty pages."""
    kids = " ".join(f"{number + 3} 0 R" for number in range(pages))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        *["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>"] * pages,
    ]
    body = "".join(f"{number} 0 obj\n{content}\nendobj\n" for number, content in enumerate(objects, 1))
    return f"%PDF-1.4\n{body}trailer << /Root 1 0 R >>\n%%EOF\n".encode()


def sound(seconds: float = 0.1) -> bytes:
    """Silence, as WAV."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * int(8000 * seconds))
    return out.getvalue()
