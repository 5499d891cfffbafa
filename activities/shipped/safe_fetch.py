"""Reads a public web page at a URL from a model, without giving the model access to this machine's network.

Rule 1: a host is resolved once, all its addresses are checked, and the connection goes to a checked address. There is
no second lookup that a hostile name server could answer differently. Each redirect goes through the same checks.
Rule 2: everything is bounded: time, bytes as sent and as decompressed, redirects.
Rule 3: operators can allow and deny hosts (`PERDURE_FETCH_ALLOW`, `PERDURE_FETCH_DENY`); this holds for redirects as
well.
Rule 4: a refusal never contains the resolved address, which must not leave this network.
"""

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Self

import httpx2

from perdure.activities.shipped.html_text import html_text
from perdure.workflows.vocabulary.parts import Frozen

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # Looks public, but is an internal service of one large cloud.
        "168.63.129.16/32",
    )
)
_NOT_PUBLIC_6 = tuple(ip_network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NAT64 = ip_network("64:ff9b::/96")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT = re.compile(
    r"text/[\w.+-]+|application/(?:[\w.-]+\+)?(?:json|xml|yaml)|application/(?:x-ndjson|javascript|x-yaml)"
)
_CHARSET = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|ascii|latin-?1|iso-8859-\d{1,2}|windows-125\d|cp125\d|gb2312|gbk|gb18030|big5|"
    r"shift[_-]jis|euc-(?:jp|kr)|koi8-[ru]"
)
_HEADERS = {"User-Agent": "Perdure", "Accept": "text/html, text/*, application/json;q=0.9", "Accept-Encoding": "gzip"}


class FetchRefused(Exception):
    """This URL is never fetched; the message says why."""


class FetchFailed(Exception):
    """The network or the server failed; a retry may succeed."""


class Page(Frozen):
    #: The URL after redirects.
    url: str
    status: int
    content_type: str
    text: str
    #: The page was longer than the limit.
    truncated: bool


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet. An address that embeds another (mapped, 6to4, Teredo) never
    does. A NAT64 address, the only way to IPv4 in some networks, does if its embedded address does."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    # 2000::/3 is all global unicast space that has been assigned.
    return int(address) >> 125 == 0b001 and not any(address in network for network in _NOT_PUBLIC_6)


async def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a host, in the order in which to try them. Raises `FetchRefused` or `FetchFailed`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise FetchRefused(f"there is no host {host!r}") from None
        raise FetchFailed(f"the host {host!r} could not be resolved") from error
    except (UnicodeError, OverflowError):
        raise FetchRefused(f"there is no host {host!r}") from None
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


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
        try:
            async with asyncio.timeout(self.seconds):
                return await self._follow(url)
        except TimeoutError:
            raise FetchFailed(f"it took longer than {self.seconds:g} seconds") from None

    async def _follow(self, url: str) -> Page:
        tls = self.tls()
        target = _parse(url)
        for _ in range(self.max_redirects + 1):
            # A connection serves one request: it was opened, and its certificate checked, for one host.
            async with httpx2.AsyncHTTPTransport(verify=tls, trust_env=False) as transport:
                response = await self._send(transport, target)
                try:
                    location = response.headers.get("location")
                    if response.status_code not in _REDIRECTS or location is None:
                        return await self._read(response, target)
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

    async def _send(self, transport: httpx2.AsyncHTTPTransport, url: httpx2.URL) -> httpx2.Response:
        host = url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        timeouts = {"connect": self.connect_seconds, "read": None, "write": None, "pool": None}
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            request = httpx2.Request(
                "GET",
                url.copy_with(host=str(address)),
                headers={**_HEADERS, "Host": url.netloc.decode("ascii")},
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
        try:
            body, truncated = await self._body(response)
        except httpx2.HTTPError as error:
            raise FetchFailed(f"the server broke the connection: {type(error).__name__}") from error
        named = re.search(r"charset=[\"']?([\w-]+)", declared, re.IGNORECASE)
        charset = named[1].lower() if named and _CHARSET.fullmatch(named[1].lower()) else "utf-8"
        text = body.decode(charset, errors="replace")
        if content_type in ("text/html", "application/xhtml+xml"):
            text = await asyncio.to_thread(html_text, text)
        shown = str(url.copy_with(fragment=None))
        return Page(url=shown, status=response.status_code, content_type=content_type, text=text, truncated=truncated)

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
