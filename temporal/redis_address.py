"""Where a Redis is and how to log in there, read from a URL. What is shown of it never holds the password."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_FORM: Final = "give redis://HOST:PORT/DB or, over TLS, rediss://USER:PASSWORD@HOST:PORT/DB"
#: Files for TLS, as redis-py names them in its URLs.
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    host: str
    port: int = 6379
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: Paths of TLS's files, by redis-py's names for them.
    files: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.db}"


def redis_address(url: str) -> RedisAddress:
    """The address in `url`. Raises `ValueError`, whose message holds nothing of `url`."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise ValueError(_FORM) from None
    db = parts.path.strip("/") or "0"
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not (db.isascii() and db.isdecimal()):
        raise ValueError(_FORM)
    given = parse_qsl(parts.query, keep_blank_values=True)
    tls = parts.scheme == "rediss"
    if parts.fragment or any(name not in _FILES for name, _ in given) or (given and not tls):
        raise ValueError(f"after ? only {', '.join(_FILES)} are known, and with rediss:// alone")
    return RedisAddress(
        host=parts.hostname,
        port=port,
        db=int(db),
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        files=tuple(given),
    )
