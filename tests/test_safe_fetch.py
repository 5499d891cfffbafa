"""Fetching pages: what is refused, and that the checked address is the one used. The servers are real, on loopback."""

import asyncio
import gzip
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from perdure.activities.shipped.builtin_tools import fetch_url
from perdure.activities.shipped.safe_fetch import (
    Address,
    Fetcher,
    FetchFailed,
    FetchRefused,
    Hosts,
    Page,
    is_public,
    resolve,
)

LOOPBACK = ip_address("127.0.0.1")


@dataclass
class Site:
    """A server that answers each path with fixed bytes, and records requests. For an unknown path it stays silent."""

    answers: dict[str, bytes]
    port: int = 0
    requests: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(request)
            answer = self.answers.get(request.split()[1])
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def hosts(self) -> list[str]:
        return [
            line.removeprefix("Host: ")
            for request in self.requests
            for line in request.split("\r\n")
            if line.startswith("Host: ")
        ]


@asynccontextmanager
async def serving(answers: dict[str, bytes], tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    site = Site(answers)
    server = await asyncio.start_server(site.handle, "127.0.0.1", 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


def answer(body: bytes = b"hello", kind: str = "text/plain", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str) -> bytes:
    return answer(b"", "text/html", f"Location: {location}", status="302 Found")


def names(**hosts: str) -> Callable[[str, int], Awaitable[list[Address]]]:
    """A resolver that knows these names (`shop` for shop.example), each with space-separated addresses."""

    async def look_up(host: str, port: int) -> list[Address]:
        if host in {f"{name}.example" for name in hosts}:
            return [ip_address(text) for text in hosts[host.removesuffix(".example")].split()]
        return await resolve(host, port)

    return look_up


def fetcher(**hosts: str) -> Fetcher:
    """A fetcher that may also connect to 127.0.0.1, and to no other address that is not public."""
    return Fetcher(
        resolve=names(shop="127.0.0.1", **hosts), allowed=lambda address: address == LOOPBACK or is_public(address)
    )


async def refusal(fetching: Fetcher, url: str) -> str:
    with pytest.raises(FetchRefused) as caught:
        await fetching.fetch(url)
    return str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:800::200e", "64:ff9b::8.8.8.8"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.1", "169.254.169.254"),
        *("172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
        *("198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        "168.63.129.16",
        *(
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "fe80::1",
            "fe80::1%eth0",
        ),
        *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1", "2001::1", "2001:db8::1", "2001:10::1"),
        *("2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1"),
        *("64:ff9b:1::8.8.8.8", "64:ff9b::169.254.169.254", "4000::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://017700000001:{port}/",
        "http://0x7f000001:{port}/",
        "http://0x7f.1:{port}/",
        "http://127.1:{port}/",
        "http://0:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
        "http://[::1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://[2002:7f00:1::]:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://private.example:{port}/",
        "http://mixed.example:{port}/",
    ],
)
async def test_private_addresses_in_any_form_are_never_connected_to(url: str) -> None:
    async with serving({"/": answer()}) as site:
        fetching = Fetcher(resolve=names(private="127.0.0.1", mixed="8.8.8.8 10.0.0.1"))
        said = await refusal(fetching, url.format(port=site.port))
    assert said.endswith("is not on the public internet") or said.startswith("there is no host")
    assert site.requests == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "only http and https URLs are fetched, not 'file'"),
        ("ftp://shop.example/", "only http and https"),
        ("gopher://shop.example:70/_x", "only http and https"),
        ("javascript:alert(1)", "only http and https"),
        ("//shop.example/", "only http and https"),
        ("shop.example", "only http and https"),
        ("", "only http and https"),
        ("http://", "the URL has no host"),
        ("http:///path", "the URL has no host"),
        ("http://me:secret@shop.example/", "with a user name or password"),
        ("http://shop.example@127.0.0.1/", "with a user name or password"),
        ("http://shop.example\\@127.0.0.1/", "with a user name or password"),
        ("http://shop.example:99999/", "the URL's port is invalid"),
        ("http://shop.example:0/", "the URL's port is invalid"),
        ("http://shop.example:x/", "this is not a valid URL"),
        ("http://shop.example/\r\nHost: other", "this is not a valid URL"),
        ("http://１２７.0.0.1/", "this is not a valid URL"),
        ("http://[::1/", "this is not a valid URL"),
        ("http://\ud800.example/", "this is not a valid URL"),
        ("http://" + "a" * 300 + ".example/", "there is no host"),
        ("http://a b.example/", "there is no host"),
    ],
)
async def test_urls_that_are_refused(url: str, said: str) -> None:
    assert said in await refusal(fetcher(), url)


async def test_a_name_is_looked_up_once_and_the_checked_address_is_used() -> None:
    looked_up: list[str] = []

    async def rebinding(host: str, port: int) -> list[Address]:
        looked_up.append(host)
        return [LOOPBACK] if len(looked_up) == 1 else [ip_address("10.0.0.1")]

    async with serving({"/a?b=c": answer()}) as site:
        page = await Fetcher(resolve=rebinding, allowed=lambda _: True).fetch(
            f"http://Shop.example:{site.port}/a?b=c#d"
        )
    assert looked_up == ["shop.example"]
    assert site.hosts == [f"shop.example:{site.port}"]
    assert page == Page(
        url=f"http://shop.example:{site.port}/a?b=c",
        status=200,
        content_type="text/plain",
        text="hello",
        truncated=False,
    )


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with serving({"/": answer()}) as site:
        fetching = Fetcher(resolve=names(shop="::1 127.0.0.1"), allowed=lambda _: True)
        assert (await fetching.fetch(f"http://shop.example:{site.port}/")).text == "hello"


async def test_redirects_are_followed_and_the_last_address_is_told() -> None:
    async with serving({"/": redirect("/next"), "/next": answer()}) as site:
        page = await fetcher().fetch(f"http://shop.example:{site.port}/")
    assert (page.url, page.text) == (f"http://shop.example:{site.port}/next", "hello")


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://127.0.0.2:{port}/secret", "is not on the public internet"),
        ("http://2130706434:{port}/secret", "is not on the public internet"),
        ("//[::ffff:127.0.0.1]:{port}/secret", "is not on the public internet"),
        ("http://inside.example:{port}/secret", "is not on the public internet"),
        ("http://169.254.169.254/latest/", "is not on the public internet"),
        ("file:///etc/passwd", "only http and https"),
        ("http://me:secret@shop.example:{port}/secret", "with a user name or password"),
        ("http://[::", "this is not a valid URL"),
    ],
)
async def test_a_redirect_is_checked_like_the_first_url(location: str, said: str) -> None:
    async with serving({"/secret": answer(b"secret")}) as site:
        site.answers["/"] = redirect(location.format(port=site.port))
        assert said in await refusal(fetcher(inside="127.0.0.1 10.0.0.1"), f"http://shop.example:{site.port}/")
    assert len(site.requests) == 1


async def test_a_redirect_to_loopback_is_refused_by_the_shipped_check() -> None:
    first = [True]
    fetching = Fetcher(
        resolve=names(shop="127.0.0.1"), allowed=lambda address: is_public(address) or bool(first and first.pop())
    )
    async with serving({"/secret": answer(b"secret")}) as site:
        site.answers["/"] = redirect(f"http://127.0.0.1:{site.port}/secret")
        assert await refusal(fetching, f"http://shop.example:{site.port}/") == (
            "the host '127.0.0.1' is not on the public internet"
        )
    assert len(site.requests) == 1


async def test_endless_redirects_end() -> None:
    async with serving({"/": redirect("/")}) as site:
        assert await refusal(fetcher(), f"http://shop.example:{site.port}/") == "it redirects more than 5 times"
    assert len(site.requests) == 6


async def test_long_pages_are_cut() -> None:
    async with serving({"/": answer(b"x" * 600_000), "/fits": answer(b"x" * 524_288)}) as site:
        cut = await fetcher().fetch(f"http://shop.example:{site.port}/")
        whole = await fetcher().fetch(f"http://shop.example:{site.port}/fits")
    assert (len(cut.text), cut.truncated) == (524_288, True)
    assert (len(whole.text), whole.truncated) == (524_288, False)


async def test_packed_pages_are_unpacked_up_to_the_bound() -> None:
    packed, bomb = gzip.compress(b"hello"), gzip.compress(bytes(50_000_000))
    async with serving(
        {
            "/": answer(packed, "text/plain", "Content-Encoding: gzip"),
            "/bomb": answer(bomb, "text/plain", "Content-Encoding: gzip"),
            "/broken": answer(b"hello", "text/plain", "Content-Encoding: gzip"),
            "/other": answer(b"hello", "text/plain", "Content-Encoding: br"),
        }
    ) as site:
        root = f"http://shop.example:{site.port}"
        assert (await fetcher().fetch(f"{root}/")).text == "hello"
        bombed = await fetcher().fetch(f"{root}/bomb")
        assert (len(bombed.text), bombed.truncated) == (524_288, True)
        with pytest.raises(FetchFailed, match="cannot be decompressed"):
            await fetcher().fetch(f"{root}/broken")
        assert "not requested: br" in await refusal(fetcher(), f"{root}/other")


async def test_html_is_made_readable_and_character_sets_are_known() -> None:
    async with serving(
        {
            "/": answer("<h1>Größe</h1><script>x</script>".encode("latin-1"), "Text/HTML; charset=ISO-8859-1"),
            "/odd": answer("Größe".encode(), "text/plain; charset=unicode_escape"),
            "/json": answer(b'{"a": 1}', "application/problem+json"),
        }
    ) as site:
        root = f"http://shop.example:{site.port}"
        assert (await fetcher().fetch(f"{root}/")).text == "Größe"
        assert (await fetcher().fetch(f"{root}/odd")).text == "Größe"
        assert (await fetcher().fetch(f"{root}/json")).text == '{"a": 1}'


@pytest.mark.parametrize(
    "kind", ["image/png", "application/octet-stream", "application/pdf", "text", "multipart/mixed"]
)
async def test_what_is_not_text_is_refused(kind: str) -> None:
    async with serving({"/": answer(b"\x89PNG", kind)}) as site:
        assert "not text (status 200)" in await refusal(fetcher(), f"http://shop.example:{site.port}/")


async def test_an_error_page_is_a_page() -> None:
    async with serving({"/": answer(b"gone", status="410 Gone")}) as site:
        page = await fetcher().fetch(f"http://shop.example:{site.port}/")
    assert (page.status, page.text) == (410, "gone")


async def test_a_silent_server_is_given_up() -> None:
    async with serving({}) as site:
        impatient = Fetcher(resolve=names(shop="127.0.0.1"), allowed=lambda _: True, seconds=0.2)
        with pytest.raises(FetchFailed, match=r"longer than 0\.2 seconds"):
            await impatient.fetch(f"http://shop.example:{site.port}/")


@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n\r\n", answer()[:-2], b"HTTP/1.1 200 OK\r\nContent-"])
async def test_a_broken_server_is_a_failure_that_may_pass(raw: bytes) -> None:
    async with serving({"/": raw}) as site:
        with pytest.raises(FetchFailed, match=r"response is invalid|broke the connection"):
            await fetcher().fetch(f"http://shop.example:{site.port}/")


async def test_nobody_there_is_a_failure_that_may_pass() -> None:
    async with serving({}) as site:
        port = site.port
    with pytest.raises(FetchFailed, match=r"no working connection at 'shop\.example'"):
        await fetcher().fetch(f"http://shop.example:{port}/")


async def test_an_unknown_host_is_refused() -> None:
    with pytest.raises((FetchRefused, FetchFailed), match=r"nowhere\.invalid"):
        await Fetcher().fetch("http://nowhere.invalid/")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_the_certificate_and_sni_are_of_the_name_that_was_asked_for(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(  # noqa: ASYNC221
        (
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example"),
            *("-keyout", str(key), "-out", str(certificate)),
        ),
        check=True,
        capture_output=True,
    )
    asked: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusting = Fetcher(
        resolve=names(shop="127.0.0.1", other="127.0.0.1"),
        allowed=lambda _: True,
        tls=lambda: ssl.create_default_context(cafile=str(certificate)),
    )
    async with serving({"/": answer()}, server) as site:
        assert (await trusting.fetch(f"https://shop.example:{site.port}/")).text == "hello"
        with pytest.raises(FetchFailed, match=r"no working certificate at 'other\.example'"):
            await trusting.fetch(f"https://other.example:{site.port}/")
    assert asked == ["shop.example", "other.example"]


async def test_nothing_is_logged_about_what_is_fetched(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with serving({"/?token=1": answer()}) as site:
        await fetcher().fetch(f"http://shop.example:{site.port}/?token=1")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("allow", "deny", "taken", "refused"),
    [
        ("", "", ["a.example"], []),
        ("a.example", "", ["a.example", "A.example."], ["b.example", "x.a.example", "a.example.evil"]),
        ("*.a.example, b.example", "", ["x.a.example", "b.example"], ["a.example", "xa.example"]),
        ("", "*.evil.example", ["a.example"], ["x.evil.example"]),
        ("*.a.example", "x.a.example", ["y.a.example"], ["x.a.example"]),
    ],
)
def test_hosts_that_are_read(allow: str, deny: str, taken: list[str], refused: list[str]) -> None:
    hosts = Hosts.of(allow, deny)
    assert [name for name in taken + refused if hosts.take(name)] == taken


async def test_hosts_that_are_not_read_are_not_even_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_FETCH_ALLOW", "docs.example")
    with pytest.raises(ApplicationError) as raised:
        await fetch_url("http://other.example/")
    assert (raised.value.type, raised.value.non_retryable) == ("fetch_refused", True)
    assert "may not be read here" in raised.value.message
