"""`data:` URIs (RFC 2397): bytes in place of an address. Pure."""

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

_SPACE: Final = re.compile(rb"[\t\n\f\r ]+")


class BadDataUri(Exception):
    """The URI holds no bytes; the message goes on after the name of the field."""


def is_data_uri(uri: str) -> bool:
    return uri[:5].lower() == "data:"


def declared_type(uri: str) -> str:
    """The media type that a `data:` URI names, without parameters and in lower case; empty where there is none."""
    return uri[5:].partition(",")[0].partition(";")[0].strip().lower()


def read_data_uri(uri: str) -> tuple[bytes, str]:
    """The bytes, and the media type as it stands there, with its parameters; empty where there is none.

    Base64 is read as browsers read it (WHATWG, forgiving-base64): white space and missing padding are no faults.
    Raises `BadDataUri`."""
    head, comma, body = uri[5:].partition(",")
    if not comma:
        raise BadDataUri("is a data: URI without a comma, so it has no data")
    media_type, semicolon, last = head.rpartition(";")
    encoded = bool(semicolon) and last.strip().lower() == "base64"
    try:
        data = unquote_to_bytes(body)
    except UnicodeEncodeError:
        raise BadDataUri("holds characters that no URI can hold") from None
    if not encoded:
        return data, head.strip()
    squeezed = _SPACE.sub(b"", data).rstrip(b"=")
    try:
        # The alphabet of URLs, too, which some programs write here.
        padded = squeezed.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(squeezed) % 4)
        return base64.b64decode(padded, validate=True), media_type.strip()
    except (binascii.Error, ValueError):
        raise BadDataUri("is a data: URI whose base64 cannot be decoded") from None
