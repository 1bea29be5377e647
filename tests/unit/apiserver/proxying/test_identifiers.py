"""Identifiers, addresses and headers of proxied requests."""

from __future__ import annotations

import pytest

from sampan.apiserver.proxying import headers
from sampan.apiserver.proxying.addresses import is_allowed
from sampan.apiserver.proxying.identifiers import Identifier, joined, split


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("a", Identifier("", "a", "")),
        ("a:80", Identifier("", "a", "80")),
        ("https:a:80", Identifier("https", "a", "80")),
        ("http:a:", Identifier("http", "a", "")),
        (":a:80", Identifier("", "a", "80")),
        ("ftp:a:80", None),
        (":80", None),
        ("", None),
        ("a:b:c:d", None),
    ],
)
def test_identifiers(text: str, wanted: Identifier | None) -> None:
    assert split(text) == wanted


def test_hosts_and_ports() -> None:
    assert [joined("a", "1"), joined("::1", "1"), joined("a", "")] == ["a:1", "[::1]:1", "a"]


@pytest.mark.parametrize("text", ["10.0.0.1", "192.168.1.1", "8.8.8.8", "fd00::1", "2001:db8::1", "100.64.0.1"])
def test_addresses_that_may_be(text: str) -> None:
    assert is_allowed(text)


@pytest.mark.parametrize("text", ["127.9.9.9", "::1", "::ffff:169.254.1.1", "ff02::1", "::", "010.0.0.1", "name", ""])
def test_addresses_that_may_not(text: str) -> None:
    assert not is_allowed(text)


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("/a?q#f", "/prefix/a?q#f"),
        ("/a/", "/prefix/a/"),
        ("http://other:1/a%20b", "/prefix/a%20b"),
        ("https://server/a", "/prefix/a"),
        ("/prefix/a", "/prefix/a"),
        ("/../../x", "/prefix/x"),
        ("relative", "relative"),
        ("https://elsewhere/a", "https://elsewhere/a"),
        ("http://[", "http://["),
    ],
)
def test_redirects_lead_through_the_proxy_or_elsewhere(text: str, wanted: str) -> None:
    assert headers.location(text, source="other:1", host="server", prefix="/prefix") == wanted


def test_what_a_connection_header_names_goes_no_further() -> None:
    sent = {b"connection": b"close, X-Hop", b"x-hop": b"1", b"te": b"trailers", b"x-stays": b"2", b"host": b"h"}
    onward = headers.onward(sent, client="192.0.2.1", uri="/u")
    assert onward == {
        "host": "h",
        "x-stays": "2",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-host": "h",
        "x-forwarded-proto": "https",
        "x-forwarded-uri": "/u",
    }
