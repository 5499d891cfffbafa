"""Which host names a server accepts, and which pages count as its own."""

import pytest

from perdure.gateway.http.hosts import Host, KnownHosts


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "localhost:8000", "LOCALHOST", "localhost.", "agents.localhost:8000", "a.b.localhost"),
        *("127.0.0.1", "127.0.0.1:8000", "127.9.9.9", "[::1]", "[::1]:8000", "192.168.1.5:80", "[2001:db8::5]"),
        *("gateway.lan:8000", "Gateway.LAN", "a.example.com", "a.b.example.com:443"),
    ],
)
def test_names_that_no_stranger_can_point_here(name: str) -> None:
    host = Host.parse(name)
    assert host is not None
    assert host in KnownHosts(["gateway.lan", "*.Example.com"])


@pytest.mark.parametrize(
    "name",
    [
        *(
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "notlocalhost",
            ".localhost.a",
        ),
        *(
            "example.com",
            "evilexample.com",
            "gateway.lan.evil.example",
            "gateway",
            "2130706433",
            "0x7f.1",
            "127.1",
            "x",
        ),
        *(
            "",
            " ",
            "localhost:",
            "localhost:x",
            "localhost/",
            "a@localhost",
            "localhost:8000:8000",
            "[::1",
            "::1",
            "[]",
        ),
        *("localhost\t", "[::1]evil.example", "127.0.0.1 evil.example", "lo\u212aalhost", "localhost,evil.example"),
    ],
)
def test_names_that_might_be_anybodys(name: str) -> None:
    host = Host.parse(name)
    assert host is None or host not in KnownHosts(["gateway.lan", "*.example.com"])


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("localhost:8000", "https://LOCALHOST:8000"),
        ("agents.example.com", "https://agents.example.com"),
        ("agents.example.com", "http://agents.example.com"),
        ("agents.example.com:443", "https://agents.example.com"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_page_of_this_server(host: str, origin: str) -> None:
    parsed = Host.parse(host)
    assert parsed is not None
    assert parsed.is_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "", "http://localhost", "http://localhost:8001", "http://127.0.0.1:8000", "http://evil.example:8000"),
        *(
            "http://localhost:8000/",
            "http://localhost:8000.evil.example",
            "http://evil@localhost:8000",
            "localhost:8000",
        ),
        *(
            "file://",
            "chrome-extension://localhost:8000",
            "http://[::1]:8000",
            "http://localhost:8000 http://evil.example",
        ),
    ],
)
def test_a_page_of_another_site(origin: str) -> None:
    parsed = Host.parse("localhost:8000")
    assert parsed is not None
    assert not parsed.is_origin(origin)
