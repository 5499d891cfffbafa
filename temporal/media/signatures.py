"""Media types by the first bytes of a file, from the formats' own specifications. Pure."""

from typing import Final

#: First bytes, and the media type of the files that begin with them.
_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\x7fELF", "application/x-executable"),
)
#: The kind of a RIFF container, at byte 8.
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
#: Major brands of an ISO base media file (ISO/IEC 14496-12), at byte 8.
_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}


def signature_type(data: bytes) -> str | None:
    """The media type that the first 16 bytes of a file tell; None where they tell none, as those of text."""
    for beginning, media_type in _BEGINNINGS:
        if data.startswith(beginning):
            return media_type
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    if data[:2] == b"BM" and _is_bitmap(data):
        return "image/bmp"
    return _mpeg_audio(data)


def _is_bitmap(data: bytes) -> bool:
    """Text may begin with `BM`, too. The size of a bitmap's second header is one of a few."""
    return int.from_bytes(data[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)


def _mpeg_audio(data: bytes) -> str | None:
    """By the header of a first frame: MPEG audio of layer III (ISO/IEC 11172-3), or AAC in ADTS (ISO/IEC 13818-7)."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    rate, frequency = data[2] >> 4, data[2] >> 2 & 3
    if layer == 1 and version != 1 and rate not in (0, 15) and frequency != 3:
        return "audio/mpeg"
    if data[1] & 0xF6 == 0xF0 and data[2] >> 2 & 15 < 13:
        return "audio/aac"
    return None
