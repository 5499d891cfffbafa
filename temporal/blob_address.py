"""Where blobs lie: a folder, or a bucket of an object store. An address never holds a secret.

Keys come from the variables that the clouds' own tools read: `AWS_…`, `GOOGLE_…`, `AZURE_…`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Scheme = Literal["s3", "gs", "az"]

FORMS: Final = "give a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
#: What says who one is, by scheme: for messages.
KEYS: Final[dict[Scheme, str]] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_OPTIONS: Final[dict[Scheme, tuple[str, ...]]] = {
    "s3": ("endpoint", "region", "allow_http", "virtual_hosted"),
    "gs": ("endpoint", "allow_http"),
    "az": ("account", "endpoint", "allow_http"),
}
_SWITCHES: Final = frozenset({"allow_http", "virtual_hosted"})
#: The clouds' rules for names, taken together: lower case, digits, dots (S3, GCS), underscores (GCS).
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~=-]{1,200}")


@dataclass(frozen=True, slots=True)
class Bucket:
    scheme: Scheme
    #: Azure calls it a container.
    name: str
    #: Below which all keys lie, without slashes at its ends.
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    account: str | None = None
    allow_http: bool = False
    virtual_hosted: bool = False

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}/{self.prefix}".rstrip("/")

    @property
    def url(self) -> str:
        """The whole address, as `blob_address` reads it."""
        given = {name: getattr(self, name) for name in _OPTIONS[self.scheme]}
        options = {name: "true" if value is True else value for name, value in given.items() if value}
        return f"{self}?{urlencode(options)}" if options else str(self)


BlobAddress: TypeAlias = Path | Bucket


def blob_address(given: str) -> BlobAddress:
    """The address in `given`, a URL or the path of a folder. Raises `ValueError`, whose message holds nothing of it."""
    if "://" not in given:
        return Path(given)
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(FORMS) from None
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
            raise ValueError("give a folder by its whole path, as in file:///var/lib/perdure/blobs")
        return Path(unquote(parts.path))
    if parts.scheme not in _OPTIONS:
        raise ValueError(FORMS)
    scheme = parts.scheme
    if "@" in parts.netloc:
        raise ValueError(f"no key belongs into the URL: set {KEYS[scheme]}")
    if not host or _BUCKET.fullmatch(parts.netloc) is None:
        raise ValueError(f"no bucket can have that name: {FORMS}")
    segments = [segment for segment in unquote(parts.path).split("/") if segment]
    if parts.fragment or not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise ValueError("a prefix is made of letters, digits and . _ ~ = -, with / between them")
    options = _options(scheme, parse_qsl(parts.query, keep_blank_values=True))
    switches = {name: name in options for name in _SWITCHES & set(_OPTIONS[scheme])}
    texts = {name: value for name, value in options.items() if name not in _SWITCHES}
    return Bucket(scheme, host, "/".join(segments), **texts, **switches)  # type: ignore[arg-type]


def _options(scheme: Scheme, given: list[tuple[str, str]]) -> dict[str, str]:
    """Those that are set; a switch that is `false` is not."""
    known = _OPTIONS[scheme]
    options = dict(given)
    if len(options) != len(given) or not options.keys() <= set(known):
        raise ValueError(f"after ? only {', '.join(known)} are known, each once; keys belong into {KEYS[scheme]}")
    for name in _SWITCHES & options.keys():
        if options[name] not in ("true", "false"):
            raise ValueError(f"{name} is true or false")
        if options[name] == "false":
            del options[name]
    if not all(options.values()):
        raise ValueError("an option after ? is empty")
    if (endpoint := options.get("endpoint")) is not None:
        _check_endpoint(endpoint, scheme, "allow_http" in options)
    return options


def _check_endpoint(endpoint: str, scheme: Scheme, http: bool) -> None:
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ValueError("the endpoint is a URL, as in https://s3.example.com")
    if "@" in parts.netloc:
        raise ValueError(f"no key belongs into the endpoint: set {KEYS[scheme]}")
    if parts.scheme == "http" and not http:
        raise ValueError("the endpoint is http://, without TLS: add &allow_http=true if that is meant")
