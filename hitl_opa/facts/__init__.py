"""Tool call in, facts out: what a call does, for every tool in one flat shape.

`read_facts` is pure but for reading what is there: symlinks of the paths that a call names, and the
content of small regular files of the workspace that it runs.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hitl_opa.errors import CallRefused
from hitl_opa.facts.addresses import addresses
from hitl_opa.facts.read import read_call
from hitl_opa.facts.secrets import redact
from hitl_opa.model import CallFacts, Facts, ToolCall

__all__ = ["Known", "program_data", "read_facts", "redact"]

PROTECTED_BRANCHES = (
    "main",
    "master",
    "trunk",
    "develop",
    "production",
    "prod",
    "release",
    "release/*",
    "releases/*",
    "stable",
    "gh-pages",
    "hotfix/*",
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation knows beside the call.

    ``protected``: absolute paths of the guard's own files and folders. ``pinned_hosts``: hosts that
    the user trusts, subdomains included. ``trusted_servers``: MCP servers whose claims count.
    ``addresses``: URLs at which the guard itself is reached (`Addresses`).
    ``protected_branches``: shell patterns of branch names that are not pushed to directly.
    """

    protected: tuple[str, ...] = ()
    pinned_hosts: frozenset[str] = frozenset()
    trusted_servers: frozenset[str] = frozenset()
    addresses: tuple[str, ...] = ()
    protected_branches: tuple[str, ...] = PROTECTED_BRANCHES


_NOTHING = Known()


def read_facts(call: ToolCall, known: Known = _NOTHING) -> tuple[CallFacts, Facts]:
    """The facts of a call. Raises `CallRefused` for what cannot be represented as a document."""
    try:
        return read_call(
            call,
            known.protected,
            known.pinned_hosts,
            known.trusted_servers,
            known.protected_branches,
            addresses(known.addresses),
        )
    except RecursionError as e:
        raise CallRefused("the call is nested too deeply") from e


def program_data() -> bytes:
    """The shipped knowledge of programs, places and names as it lies on disk, for the policy revision."""
    return Path(__file__).with_name("programs.json").read_bytes()
