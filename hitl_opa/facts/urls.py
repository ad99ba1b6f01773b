"""Hosts and URLs: which class of destination a word names.

Hosts are compared after undoing what hides them: upper case, a trailing dot, user information,
decimal, octal and hexadecimal IPv4 spellings, IPv4 inside IPv6, other scripts' digits and dots, percent
escapes, back slashes, and names that are an address by design (``10.0.0.1.nip.io``). A name is not
resolved: any other public name that points at a private address is ``public`` here.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

from hitl_opa.facts.data import load
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.model import UrlFact

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?:/{1,3}|(?<=\bhttp:)|(?<=\bhttps:))([^/?#\s]*)", re.IGNORECASE)
_ODD = re.compile(r"[/#?@]|%2f|%40|%5c", re.IGNORECASE)
_HIDDEN = re.compile(r"[\t\r\n]")  # what URL parsers leave out
_BY_DESIGN = re.compile(
    r"(?:.*[.-])?(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})\.(?:nip|sslip|xip|traefik)\.(?:io|me)\Z"
)
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
INDEXES = frozenset({"registry", "pinned", "loopback"})  # places that packages are taken from
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]+|\d+)\Z")


def read_url(text: str, pinned: frozenset[str] = frozenset()) -> UrlFact:
    """The URL or bare host (``host``, ``host:port``, ``user@host``) that ``text`` is."""
    shown, text = text, _HIDDEN.sub("", text.strip()).replace("\\", "/")
    match = _URL.match(text)
    scheme, authority = (match[1].lower(), match[2]) if match else ("", re.split(r"[/?#\s]", text, maxsplit=1)[0])
    authority = authority[authority.rfind("@") + 1 :]
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
    host = _plain(host)
    return UrlFact(
        value=shown.replace(UNKNOWN, "?"),
        scheme=scheme,
        host=host.replace(UNKNOWN, "?"),
        port=port,
        place="metadata" if _disputed(text) else place_of(host, pinned),
    )


def _disputed(text: str) -> bool:
    """Parsers disagree on which part of the URL is its host, and one part is a metadata endpoint."""
    if "@" not in text or not _ODD.search(text):
        return False
    return any(place_of(_plain(piece)) == "metadata" for piece in _ODD.split(text) if piece)


def _plain(host: str) -> str:
    if "%" in host and ":" not in host:
        host = unquote(host)
    if not host.isascii():
        host = unicodedata.normalize("NFKC", host).replace("\u3002", ".").replace("\uff0e", ".").replace("\uff61", ".")
    return host.lower().rstrip(".")


def place_of(host: str, pinned: frozenset[str] = frozenset()) -> str:
    """loopback, private, metadata, registry, pinned, public, or unknown."""
    if not host or UNKNOWN in host:
        return "unknown"
    named = _BY_DESIGN.match(host) if host[-3:] in (".io", ".me") else None
    if named:
        host = ".".join(named.groups())
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
    inner = address.ipv4_mapped or address.sixtofour
    packed = int(address)
    if inner is None and (packed >> 32 == 0x64FF9B << 64 or 1 < packed < 1 << 32):  # NAT64, and ``::1.2.3.4``
        inner = ipaddress.IPv4Address(packed & 0xFFFFFFFF)
    if inner is not None:
        return place_of(str(inner))
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    return "private" if address.is_private or address.is_link_local else "public"
