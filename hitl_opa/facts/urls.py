"""Hosts and URLs: which class of destination a word names.

Hosts are compared after undoing what hides them: upper case, a trailing dot, user information,
decimal, octal and hexadecimal IPv4 spellings, IPv4 inside IPv6. A name is not resolved: a public
name that points at a private address is ``public`` here.
"""

from __future__ import annotations

import re

from hitl_opa.facts.data import load
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.model import UrlFact

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/{1,3}([^/?#\s]*)")
_PORTS = {
    "http": 80,
    "https": 443,
    "ftp": 21,
    "ssh": 22,
    "ws": 80,
    "wss": 443,
    "git": 9418,
    "sftp": 22,
    "ldap": 389,
    "redis": 6379,
}
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]+|\d+)\Z")


def read_url(text: str, pinned: frozenset[str] = frozenset()) -> UrlFact:
    """The URL or bare host (``host``, ``host:port``, ``user@host``) that ``text`` is."""
    match = _URL.match(text)
    scheme, authority = (match[1].lower(), match[2]) if match else ("", re.split(r"[/?#\s]", text, maxsplit=1)[0])
    authority = authority[authority.rfind("@") + 1 :].replace("\\", "/").split("/")[0]
    port = _PORTS.get(scheme, 0)
    if authority[:1] == "[":
        host, _, rest = authority[1:].partition("]")
        digits = rest[1:]
    else:
        host, _, digits = authority.partition(":")
        if ":" in digits:
            host, digits = authority, ""
    if digits.isascii() and digits.isdigit() and len(digits) < 6:
        port = int(digits)
    host = host.lower().rstrip(".")
    return UrlFact(
        value=text.replace(UNKNOWN, "?"),
        scheme=scheme,
        host=host.replace(UNKNOWN, "?"),
        port=port,
        place=place_of(host, pinned),
    )


def place_of(host: str, pinned: frozenset[str] = frozenset()) -> str:
    """loopback, private, metadata, registry, pinned, public, or unknown."""
    if not host or UNKNOWN in host:
        return "unknown"
    address = _ipv4(host) if host[-1:].isdigit() or host[:2] == "0x" else None
    if address is not None:
        host = ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))
    data = load().places
    found = data.hosts.get(host)
    if found == "metadata":
        return found
    if host in pinned or any(host.endswith("." + p) for p in pinned):
        return "pinned"
    if found:
        return found
    if address is not None:
        return _address_place(address)
    if ":" in host:
        return _ipv6_place(host)
    if host == "localhost":
        return "loopback"
    for suffix, place in data.suffixes:
        if host.endswith(suffix):
            return place
    return "public" if "." in host else "private"


def _ipv4(host: str) -> int | None:
    """An address in any spelling that inet_aton takes."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.match(p) for p in parts) or len(host) > 40:
        return None
    try:
        numbers = [
            int(p, 16) if p[:2] in ("0x", "0X") else int(p, 8) if len(p) > 1 and p[0] == "0" else int(p) for p in parts
        ]
    except ValueError:
        return None
    *head, tail = numbers
    if any(n > 255 for n in head) or tail >= 256 ** (5 - len(numbers)):
        return None
    return sum(n << 8 * (3 - i) for i, n in enumerate(head)) + tail


def _address_place(address: int) -> str:
    first, second = address >> 24, address >> 16 & 255
    if first == 127 or address == 0:
        return "loopback"
    if (
        first == 10
        or (first == 172 and 16 <= second < 32)
        or (first == 192 and second == 168)
        or (first == 100 and 64 <= second < 128)
    ):
        return "private"
    if first == 169 and second == 254:
        return "metadata"
    return "private" if first >= 224 or first == 0 else "public"


def _ipv6_place(host: str) -> str:
    import ipaddress

    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if address.ipv4_mapped is not None:
        return place_of(str(address.ipv4_mapped))
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    return "private" if address.is_private or address.is_link_local else "public"
