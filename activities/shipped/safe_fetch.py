"""Reads a public web page or file at a URL from a model or a user, without giving either access to this machine's network.

Rule 1: a host is resolved once, all its addresses are checked, and the connection goes to a checked address. There is
no second lookup that a hostile name server could answer differently. Each redirect goes through the same checks.
Rule 2: everything is bounded: time, bytes as sent and as decompressed, redirects.
Rule 3: operators can allow and deny hosts (`PERDURE_FETCH_ALLOW`, `PERDURE_FETCH_DENY`); this holds for redirects as
well.
Rule 4: a refusal never contains the resolved address, which must not leave this network.
"""

import asyncio
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Self, TypeVar

import httpx2

from perdure.activities.shipped.html_text import html_text
from perdure.activities.shipped.public_addresses import Address as Address
from perdure.activities.shipped.public_addresses import FetchFailed as FetchFailed
from perdure.activities.shipped.public_addresses import FetchRefused as FetchRefused
from perdure.activities.shipped.public_addresses import is_public as is_public
from perdure.activities.shipped.public_addresses import resolve as resolve
from perdure.workflows.vocabulary.parts import Frozen

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT = re.compile(
    r"text/[\w.+-]+|application/(?:[\w.-]+\+)?(?:json|xml|yaml)|application/(?:x-ndjson|javascript|x-yaml)"
)
_CHARSET = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|ascii|latin-?1|iso-8859-\d{1,2}|windows-125\d|cp125\d|gb2312|gbk|gb18030|big5|"
    r"shift[_-]jis|euc-(?:jp|kr)|koi8-[ru]"
)
_HEADERS = {"User-Agent": "Perdure", "Accept": "text/html, text/*, application/json;q=0.9", "Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as its server sent it."""

    data: bytes
    #: As its server said, with parameters.
    content_type: str


class Page(Frozen):
    #: The URL after redirects.
    url: str
    status: int
    content_type: str
    text: str
    #: The page was longer than the limit.
    truncated: bool


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts that may be fetched: those in `allow` (all if empty) that are not in `deny`. `example.org` is one host,
    `*.example.org` all hosts below it."""

    allow: tuple[str, ...]
    deny: tuple[str, ...]

    @classmethod
    def of(cls, allow: str, deny: str) -> Self:
        """Creates it from comma-separated lists of hosts."""
        return cls(*(tuple(filter(None, (one.strip().lower() for one in text.split(",")))) for text in (allow, deny)))

    def take(self, host: str) -> bool:
        name = host.lower().rstrip(".")
        return (not self.allow or _lists(self.allow, name)) and not _lists(self.deny, name)


def _lists(hosts: tuple[str, ...], name: str) -> bool:
    return any(name.endswith(host[1:]) if host.startswith("*.") else name == host for host in hosts)


_T = TypeVar("_T")
_Reader = Callable[[httpx2.Response, httpx2.URL], Awaitable[_T]]


@dataclass(frozen=True, slots=True)
class Fetcher:
    resolve: Callable[[str, int], Awaitable[list[Address]]] = resolve
    allowed: Callable[[Address], bool] = is_public
    #: The hosts that may be fetched.
    hosts: "Hosts" = field(default_factory=lambda: Hosts.of("", ""))
    tls: Callable[[], ssl.SSLContext] = httpx2.create_ssl_context
    #: For the whole fetch, redirects included.
    seconds: float = 10
    #: For each address of a host that has several.
    connect_seconds: float = 4
    max_bytes: int = 512 * 1024
    max_redirects: int = 5

    async def fetch(self, url: str) -> Page:
        """Fetches the page at `url` and returns its text. Raises `FetchRefused` or `FetchFailed`."""
        return await self._in_time(url, self._read, _HEADERS)

    async def fetch_file(self, url: str) -> Fetched:
        """Fetches the file at `url`, whatever it is. Raises `FetchRefused`, also where it is too big, or `FetchFailed`."""
        return await self._in_time(url, self._read_file, {**_HEADERS, "Accept": "*/*"})

    async def _in_time(self, url: str, read: "_Reader[_T]", headers: dict[str, str]) -> _T:
        try:
            async with asyncio.timeout(self.seconds):
                return await self._follow(url, read, headers)
        except TimeoutError:
            raise FetchFailed(f"it took longer than {self.seconds:g} seconds") from None

    async def _follow(self, url: str, read: "_Reader[_T]", headers: dict[str, str]) -> _T:
        tls = self.tls()
        target = _parse(url)
        for _ in range(self.max_redirects + 1):
            # A connection serves one request: it was opened, and its certificate checked, for one host.
            async with httpx2.AsyncHTTPTransport(verify=tls, trust_env=False) as transport:
                response = await self._send(transport, target, headers)
                try:
                    location = response.headers.get("location")
                    if response.status_code not in _REDIRECTS or location is None:
                        return await read(response, target)
                    target = _parse(location, base=target)
                finally:
                    await response.aclose()
        raise FetchRefused(f"it redirects more than {self.max_redirects} times")

    async def _addresses(self, host: str, port: int) -> list[Address]:
        if not self.hosts.take(host):
            raise FetchRefused(f"the host {host!r} may not be read here")
        try:
            found: list[Address] = [ip_address(host)]
        except ValueError:
            found = await self.resolve(host, port)
        if not found:
            raise FetchRefused(f"there is no host {host!r}")
        if not all(map(self.allowed, found)):
            raise FetchRefused(f"the host {host!r} is not on the public internet")
        return found

    async def _send(
        self, transport: httpx2.AsyncHTTPTransport, url: httpx2.URL, headers: dict[str, str]
    ) -> httpx2.Response:
        host = url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        timeouts = {"connect": self.connect_seconds, "read": None, "write": None, "pool": None}
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            request = httpx2.Request(
                "GET",
                url.copy_with(host=str(address)),
                headers={**headers, "Host": url.netloc.decode("ascii")},
                # SNI and the certificate check use the requested host name.
                extensions={"timeout": timeouts, "sni_hostname": host},
            )
            try:
                return await transport.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
            except httpx2.HTTPError as error:
                raise FetchFailed(f"the server's response is invalid: {type(error).__name__}") from error
        why = "certificate" if "CERTIFICATE_VERIFY_FAILED" in str(failure) else "connection"
        raise FetchFailed(f"no working {why} at {host!r}") from failure

    async def _read(self, response: httpx2.Response, url: httpx2.URL) -> Page:
        declared = response.headers.get("content-type", "")
        content_type = declared.partition(";")[0].strip().lower()
        if not _TEXT.fullmatch(content_type) and response.status_code != 204:
            raise FetchRefused(
                f"it is {content_type[:80] or 'of an unknown type'}, not text (status {response.status_code})"
            )
        body, truncated = await self._whole(response)
        named = re.search(r"charset=[\"']?([\w-]+)", declared, re.IGNORECASE)
        charset = named[1].lower() if named and _CHARSET.fullmatch(named[1].lower()) else "utf-8"
        text = body.decode(charset, errors="replace")
        if content_type in ("text/html", "application/xhtml+xml"):
            text = await asyncio.to_thread(html_text, text)
        shown = str(url.copy_with(fragment=None))
        return Page(url=shown, status=response.status_code, content_type=content_type, text=text, truncated=truncated)

    async def _read_file(self, response: httpx2.Response, _url: httpx2.URL) -> Fetched:
        if response.status_code != 200:
            kind = FetchFailed if response.status_code >= 500 or response.status_code == 429 else FetchRefused
            raise kind(f"its server answers {response.status_code}")
        data, truncated = await self._whole(response)
        if truncated:
            raise FetchRefused(f"it has more than {self.max_bytes} bytes")
        return Fetched(data, response.headers.get("content-type", ""))

    async def _whole(self, response: httpx2.Response) -> tuple[bytes, bool]:
        try:
            return await self._body(response)
        except httpx2.HTTPError as error:
            raise FetchFailed(f"the server broke the connection: {type(error).__name__}") from error

    async def _body(self, response: httpx2.Response) -> tuple[bytes, bool]:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise FetchRefused(f"its content encoding was not requested: {encoding[:40]}")
        unpack = zlib.decompressobj(wbits=31) if encoding.endswith("gzip") else None
        body, received = bytearray(), 0
        async for chunk in _stream(response):
            received += len(chunk)
            room = self.max_bytes - len(body)
            try:
                # One byte more than the limit, to recognise a truncated page; decompression never produces more than
                # that.
                body += unpack.decompress(chunk, room + 1) if unpack else chunk[: room + 1]
            except zlib.error:
                raise FetchFailed("the server's response cannot be decompressed") from None
            if len(body) > self.max_bytes or received > self.max_bytes:
                return bytes(body[: self.max_bytes]), True
        return bytes(body), False


async def _stream(response: httpx2.Response) -> AsyncIterator[bytes]:
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    async for chunk in response.stream:
        yield chunk


def _parse(text: str, base: httpx2.URL | None = None) -> httpx2.URL:
    try:
        url = base.join(text) if base else httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError):
        raise FetchRefused("this is not a valid URL") from None
    if url.scheme not in ("http", "https"):
        raise FetchRefused(f"only http and https URLs are fetched, not {url.scheme[:20]!r}")
    if url.userinfo:
        raise FetchRefused("URLs with a user name or password are not fetched")
    if not url.host:
        raise FetchRefused("the URL has no host")
    if url.port is not None and not 0 < url.port < 65536:
        raise FetchRefused("the URL's port is invalid")
    return url
