"""Which class of destination a word names."""

# ruff: noqa: E501  (tables read better a case a line)

from __future__ import annotations

import pytest

from hitl_opa.facts.urls import place_of, read_url


@pytest.mark.parametrize(("text", "host", "place"), [
    ("https://example.com/x", "example.com", "public"), ("HTTP://EXAMPLE.COM.", "example.com", "public"), ("http://localhost:80", "localhost", "loopback"),
    ("http://127.1/", "127.1", "loopback"), ("http://0x7f000001/", "0x7f000001", "loopback"), ("http://[::1]:80/", "::1", "loopback"), ("http://10.0.0.1", "10.0.0.1", "private"),
    ("http://192.168.1.1:8080", "192.168.1.1", "private"), ("http://169.254.169.254/", "169.254.169.254", "metadata"), ("http://2852039166/", "2852039166", "metadata"),
    ("http://0251.0376.0251.0376/", "0251.0376.0251.0376", "metadata"), ("http://[::ffff:169.254.169.254]/", "::ffff:169.254.169.254", "metadata"),
    ("http://good.example@169.254.169.254/", "169.254.169.254", "metadata"), ("http://metadata.google.internal/", "metadata.google.internal", "metadata"),
    ("https://pypi.org/simple", "pypi.org", "registry"), ("git@github.com:a/b", "github.com", "registry"), ("http://build.internal/", "build.internal", "private"),
    ("http://db/", "db", "private"), ("", "", "unknown"), ("http://8.8.8.8", "8.8.8.8", "public"),
])  # fmt: skip
def test_place(text: str, host: str, place: str) -> None:
    fact = read_url(text)
    assert (fact.host, fact.place) == (host, place)


def test_pinned_hosts_and_below() -> None:
    pinned = frozenset({"corp.example"})
    assert place_of("corp.example", pinned) == "pinned"
    assert place_of("a.corp.example", pinned) == "pinned"
    assert place_of("evilcorp.example", pinned) == "public"
    assert place_of("169.254.169.254", frozenset({"169.254.169.254"})) == "metadata"


def test_scheme_and_port() -> None:
    assert (read_url("https://a.b").port, read_url("http://a.b:81").port, read_url("a.b").scheme) == (443, 81, "")
