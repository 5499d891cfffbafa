"""What a file is, is told by its bytes; what its sender says counts only where they allow it."""

import base64
import io
import zlib
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from perdure.temporal.media.data_uris import BadDataUri, read_data_uri
from perdure.temporal.media.pages import count_pages
from perdure.temporal.media.pictures import BadPicture
from perdure.temporal.media.recognise import Recognised, Unrecognised, kind_of, recognise
from perdure.temporal.media.texts import read_text
from tests.support.pictures import animation, pdf, picture, sound, turned


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("AVIF", "image/avif"),
    ],
)
def test_a_picture_is_known_by_its_bytes_whatever_is_said_of_it(kind: str, media_type: str) -> None:
    seen = recognise(picture(kind), "text/html; charset=utf-8", "page.html")
    assert seen == Recognised(media_type, "image", width=40, height=20)


def test_a_picture_measures_what_people_see_of_it() -> None:
    assert recognise(turned((40, 20))) == Recognised("image/jpeg", "image", width=20, height=40)
    assert recognise(animation((30, 10))) == Recognised("image/gif", "image", width=30, height=10)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_picture_that_is_cut_is_refused(kind: str) -> None:
    noise = Image.effect_noise((64, 64), 80)
    out = io.BytesIO()
    noise.save(out, kind)
    with pytest.raises(Unrecognised, match=r"damaged|no picture"):
        recognise(out.getvalue()[: len(out.getvalue()) // 2])


def test_a_small_file_that_would_unpack_to_gigabytes_is_refused_by_its_size_alone() -> None:
    row = b"\0" + b"\0" * 60_000
    packer = zlib.compressobj()
    data = b"".join(packer.compress(row) for _ in range(50)) + packer.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = (60_000).to_bytes(4, "big") + (60_000).to_bytes(4, "big") + b"\x08\0\0\0\0"
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    with pytest.raises(Unrecognised, match="million"):
        recognise(bomb)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pdf(3), Recognised("application/pdf", "document", pages=3)),
        (b"%PDF-1.7\nencrypted", Recognised("application/pdf", "document")),
        (sound(), Recognised("audio/wav", "audio")),
        (b"ID3\x04\0\0\0\0\0\0", Recognised("audio/mpeg", "audio")),
        (b"\xff\xfb\x90\x64" + b"\0" * 400, Recognised("audio/mpeg", "audio")),
        (b"OggS\0\x02" + b"\0" * 30, Recognised("audio/ogg", "audio")),
        (b"fLaC\0\0\0\x22", Recognised("audio/flac", "audio")),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", Recognised("audio/mp4", "audio")),
        (b"\0\0\0\x20ftypisom\0\0\0\0", Recognised("video/mp4", "other")),
        (b"PK\x03\x04" + b"\0" * 30, Recognised("application/zip", "other")),
    ],
)
def test_documents_sounds_and_archives_are_known_by_their_bytes(data: bytes, expected: Recognised) -> None:
    assert recognise(data, "application/octet-stream", "file") == expected


def test_pages_are_counted_in_packed_objects_as_well() -> None:
    packed = zlib.compress(b"3 0 4 40 << /Type /Page /Parent 2 0 R >> << /Type/Page >>")
    stream = b"<< /Type /ObjStm /Filter /FlateDecode /N 2 >>\nstream\r\n" + packed + b"\nendstream"
    assert recognise(b"%PDF-1.5\n" + stream).pages == 2


def test_an_office_document_goes_by_its_name_for_its_bytes_are_an_archive() -> None:
    docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    assert recognise(b"PK\x03\x04" + b"\0" * 30, "", "offer.docx") == Recognised(docx, "other")


@pytest.mark.parametrize(
    ("name", "declared", "media_type"),
    [
        ("notes.txt", "", "text/plain"),
        ("table.csv", "", "text/csv"),
        ("table.csv", "application/octet-stream", "text/csv"),
        ("table.csv", "text/plain", "text/csv"),
        ("app.ts", "", "text/x-typescript"),
        ("tool.py", "video/mp4", "text/x-python"),
        ("app.ts", "video/mp2t", "text/x-typescript"),
        ("", "image/svg+xml", "image/svg+xml"),
        ("", "application/vnd.ms-excel", "text/plain"),
        ("agent.yaml", "", "application/yaml"),
        ("", "application/json", "application/json"),
        ("Makefile", "", "text/plain"),
        ("drawing.svg", "", "image/svg+xml"),
    ],
)
def test_text_is_what_its_name_or_its_sender_says(name: str, declared: str, media_type: str) -> None:
    assert recognise(b"a: 1\n", declared, name) == Recognised(media_type, "text")


@pytest.mark.parametrize(
    ("data", "declared", "name", "charset"),
    [
        ("grün".encode(), "", "", None),
        ("grün".encode("utf-8-sig"), "", "", None),
        ("grün".encode("utf-16"), "", "", "utf-16"),
        ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1", "", "iso-8859-1"),
        ("grün".encode("cp1252"), "", "notes.txt", "cp1252"),
        ("緑".encode("shift_jis"), 'text/csv; charset="Shift_JIS"', "", "shift_jis"),
    ],
)
def test_the_encoding_of_a_text_is_found(data: bytes, declared: str, name: str, charset: str | None) -> None:
    seen = recognise(data, declared, name)
    assert (seen.kind, seen.charset) == ("text", charset)
    read = read_text(data, seen.charset)
    assert read is not None
    assert read[0] in ("grün", "緑")


@pytest.mark.parametrize(
    ("data", "declared", "name"),
    [
        (b"", "image/png", "a.png"),
        (b"\x00\x01\x02\x03" * 20, "application/octet-stream", "a.bin"),
        (b"not a picture \x00\x00", "image/png", "a.png"),
        (b"text \x00 with a NUL", "text/plain", "a.txt"),
        (b"\xe4\xf6\xfc", "", ""),
        (b"\x89PNG\r\n\x1a\n", "image/png", "a.png"),
        (b"\0\0\0\x20ftypheic\0\0\0\0", "", "a.heic"),
        (b"\x80\x81%PDF", "application/pdf", "a.pdf"),
        # Text under a type of files that are none.
        (b"notapng", "image/png", ""),
        (b"RIFF", "audio/wav", "a"),
        (b"a video", "video/mp4; codecs=avc1", "a.mp4"),
        (b"a report", "application/pdf", "report.pdf"),
    ],
)
def test_what_nobody_could_use_is_refused_in_words(data: bytes, declared: str, name: str) -> None:
    with pytest.raises(Unrecognised) as refused:
        recognise(data, declared, name)
    assert str(refused.value).startswith(("is ", "does not hold ", "begins as "))


def test_kinds_of_media_types() -> None:
    kinds = {one: kind_of(one) for one in ("image/png", "application/pdf", "audio/wav", "text/x-c", "video/mp4")}
    assert list(kinds.values()) == ["image", "document", "audio", "text", "other"]
    assert kind_of("application/ld+json") == "text"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("data:,a%20b", (b"a b", "")),
        ("data:text/plain;charset=latin-1,%e4", (b"\xe4", "text/plain;charset=latin-1")),
        (f"data:image/png;base64,{base64.b64encode(b'abc').decode()}", (b"abc", "image/png")),
        ("DATA:image/png;BASE64,YQ", (b"a", "image/png")),
        ("data:;base64,YW Jj", (b"abc", "")),
        (f"data:;base64,{quote('+/8=', safe='')}", (b"\xfb\xff", "")),
        ("data:;base64,-_8", (b"\xfb\xff", "")),
        ("data:base64,YQ", (b"YQ", "base64")),
    ],
)
def test_a_data_uri_holds_bytes(uri: str, expected: Any) -> None:
    assert read_data_uri(uri) == expected


@pytest.mark.parametrize("uri", ["data:image/png;base64", "data:;base64,a", "data:;base64,ä", "data:;base64,a*b="])
def test_a_wrong_data_uri_is_told_as_one(uri: str) -> None:
    with pytest.raises(BadDataUri):
        read_data_uri(uri)


def _png(*chunks: bytes) -> bytes:
    whole = picture("PNG")
    return whole[:33] + b"".join(chunks) + whole[33:]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 100_000, "image/jpeg"),
        (_png(*[b"\0\0\0\0zzzz" + zlib.crc32(b"zzzz").to_bytes(4)] * 100_000), "image/png"),
        (b"GIF89a\1\0\1\0\0\0\0" + b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0" * 100_000, "image/gif"),
    ],
    ids=["JPEG", "PNG", "GIF"],
)
def test_a_picture_of_nothing_but_tiny_blocks_is_given_up(data: bytes, media_type: str) -> None:
    with pytest.raises(Unrecognised, match=f"^begins as {media_type}, but is damaged") as refused:
        recognise(data)
    assert isinstance(refused.value.__context__, BadPicture)
    assert str(refused.value.__context__.__cause__) == "too many blocks"


def test_a_picture_of_many_small_blocks_is_read() -> None:
    many = _png(*[b"\0\0\0\x02tEXta\0" + zlib.crc32(b"tEXta\0").to_bytes(4)] * 1000)
    assert recognise(many) == Recognised("image/png", "image", width=40, height=20)


def test_a_pdf_of_nothing_but_streams_is_looked_at_no_further_than_others_are() -> None:
    pages = zlib.compress(b"<</Type /Page>>" * 3)
    stream = b"<</Type /ObjStm>> stream\n"
    assert count_pages(b"%PDF-1.5\n" + stream * 10 + pages) == 3
    assert count_pages(b"%PDF-1.5\n" + stream * 20_000 + pages) is None
    # What lies behind a stream is no part of it.
    assert count_pages(b"%PDF-1.5\n" + (stream + pages) * 1000) == 3000
    tree = b"<</Type /Pages /Count 7>> <</Count 9 /Kids [] /Type /Pages>> <</Count 500>>"
    assert count_pages(b"%PDF-1.5\n" + tree) == 9
