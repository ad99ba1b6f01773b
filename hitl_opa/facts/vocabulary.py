"""The words that facts may use, shared with the policy; the generator refuses any other.

``PLACES`` lists, per target type, the places an effect can carry besides ``""`` (not applicable).
"""

from __future__ import annotations

from hitl_opa.model import Verb

VERBS = frozenset(v.value for v in Verb)

PLACES: dict[str, frozenset[str]] = {
    "path": frozenset(
        {
            "workspace",
            "temp",
            "home",
            "home-root",
            "root",
            "system",
            "system-auth",
            "boot",
            "device",
            "null",
            "proc",
            "logs",
            "autostart",
            "shell-startup",
            "credentials",
            "env-file",
            "ci",
            "git-internals",
            "git-hooks",
            "package-config",
            "dotfile",
            "guard",
            "outside",
            "unknown",
        }
    ),
    "host": frozenset({"loopback", "private", "metadata", "registry", "pinned", "public", "guard", "unknown"}),
    "database": frozenset({"production", "guard", "unknown"}),
    "remote": frozenset(
        {
            "branch",
            "protected-branch",
            "tag",
            "repository",
            "pull-request",
            "issue",
            "release",
            "cluster",
            "cloud",
            "registry",
            "production",
            "service",
            "account",
            "unknown",
        }
    ),
    "process": frozenset({"own", "all", "unknown"}),
    "system": frozenset(
        {
            "info",
            "service",
            "power",
            "kernel",
            "firewall",
            "network",
            "disk",
            "package",
            "settings",
            "audit",
            "privilege",
            "clock",
            "display",
            "container",
            "schedule",
        }
    ),
    "package": frozenset({"workspace", "user", "system", "unknown"}),
    "person": frozenset({"unknown"}),
    "agent": frozenset({"unknown"}),
    "code": frozenset({"workspace", "inline", "remote", "package", "image", "unknown"}),
    "secret": frozenset({"unknown"}),
    "account": frozenset({"local", "remote"}),
    "url": frozenset(),
}
TYPES = frozenset(PLACES)

TRAITS = frozenset(
    {
        "recursive",
        "force",
        "bulk",
        "irreversible",
        "elevated",
        "no-where",
        "history",
        "all",
        "dry-run",
        "interactive",
        "preserve-root-off",
        "overwrite",
        "append",
        "world-writable",
        "setuid",
        "upload",
        "download",
        "secret",
        "listen",
        "reverse-shell",
        "fork-bomb",
        "tamper",
        "disable-security",
        "persistence",
        "background",
        "plan",
    }
)

OPAQUE = frozenset(
    {
        "parse-error",
        "eval",
        "variable-program",
        "variable-path",
        "decoded-code",
        "piped-code",
        "sourced-code",
        "inline-code",
        "dynamic-code",
        "sql-command",
        "too-large",
        "unknown-program",
        "unknown-subcommand",
    }
)

RUNS = frozenset({"argv", "shell", "script", "code", "sql", "sqlfile", "opaque", "module"})

# How options and operands are told apart: as GNU does (the default), options end at the first
# operand, long options have one dash.
STYLES = frozenset({"", "gnu", "posix", "single"})

# Where the word that says what a subcommand does is found: "any" is the first word that means something.
VERB_STYLES = frozenset({"any", "second", "first"})
