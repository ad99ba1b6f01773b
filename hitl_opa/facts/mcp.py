"""Tools that are not the CLI's own: MCP tools and plain functions, by their names and their arguments.

A name says what class of action it is (``names.yaml``), arguments say on what: paths, URLs, SQL and
commands in them have the same effects as anywhere else. Annotations are claims of the server; they
are passed on as claims and change no fact here.
"""

from __future__ import annotations

from typing import Any

from hitl_opa.facts import names
from hitl_opa.facts.data import load
from hitl_opa.facts.ledger import Ledger
from hitl_opa.facts.shell.interpret import Shell
from hitl_opa.facts.shell.words import Word
from hitl_opa.model import Claims, Flag, Mcp

MAX_FIELDS = 64


def identity(tool: str, annotations: dict[str, Any], trusted: frozenset[str]) -> Mcp:
    """Server, tool and claims of an ``mcp__server__tool`` name; the claims alone for other names."""
    server, name = split(tool)

    def flag(key: str) -> Flag:
        value = annotations.get(key)
        return Flag(known=True, value=value) if isinstance(value, bool) else Flag()

    claims = Claims(
        read_only=flag("readOnlyHint"),
        destructive=flag("destructiveHint"),
        idempotent=flag("idempotentHint"),
        open_world=flag("openWorldHint"),
    )
    return Mcp(server=server, tool=name, pinned=server in trusted, claims=claims)


def split(tool: str) -> tuple[str, str]:
    """``mcp__server__tool`` as (server, tool); ``("", "")`` for other names."""
    if not tool.startswith("mcp__"):
        return "", ""
    server, _, name = tool[5:].partition("__")
    return server, name


def read_tool(ledger: Ledger, shell: Shell, frame: Any, tool: str, arguments: dict[str, Any]) -> None:
    """All effects of a call of a tool that nobody described."""
    server, name = split(tool)
    title = name or tool
    words = [w for w in names.parts(title) if not w.isdigit()]
    data = load().names
    kind, at = _kind(words, data.verbs)
    objects = {data.objects.get(w, "") for w in words} - {""}
    fields = _fields(arguments, data.fields)
    touched = _arguments(ledger, shell, frame, title, kind, fields)
    place = (
        "production"
        if "production" in objects
        or any(str(v).lower() in ("prod", "production", "live") for k, v, _ in fields if k == "environment")
        else "service"
    )
    traits: set[str] = set()
    if "secret" in objects and kind == "query":
        kind = "secret"
    value = title if not server else f"{server}/{title}"
    _effect(ledger, kind, objects, place, value, title, traits, touched)
    del at


def _kind(words: list[str], verbs: dict[str, str]) -> tuple[str, int]:
    """The class of the first word that has one, unless a later word is stronger (``get_or_create``)."""
    found = [(verbs[w], i) for i, w in enumerate(words) if w in verbs]
    if not found:
        return "", -1
    first = found[0]
    for kind, i in found[1:]:
        if i > 0 and words[i - 1] in ("and", "or", "then") and kind != "query":
            return kind, i
    return first


def _fields(arguments: dict[str, Any], table: dict[str, str]) -> list[tuple[str, Any, str]]:
    out = []
    for key, value in list(arguments.items())[:MAX_FIELDS]:
        low = "_".join(names.parts(key)) or key.lower()
        kind = table.get(low) or table.get(low.replace("_", ""), "")
        out.append((kind, value, key))
    return out


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [v for v in value[:MAX_FIELDS] if isinstance(v, str)]
    return []


def _arguments(
    ledger: Ledger, shell: Shell, frame: Any, title: str, kind: str, fields: list[tuple[str, Any, str]]
) -> set[str]:
    """Effects that the arguments alone decide; returns which sorts were found."""
    touched: set[str] = set()
    for field, value, key in fields:
        for text in _texts(value):
            if field == "path" and _path_like(text):
                verb = {"delete": "delete", "query": "read", "secret": "read"}.get(
                    kind, "write" if kind in ("write", "publish", "") else "read"
                )
                low = key.lower()
                if low.startswith(("src", "source", "old", "input")) and kind != "delete":
                    verb = "read"
                elif low.startswith(("dst", "dest", "output", "save", "target")):
                    verb = "write"
                if kind == "" and not any(w in title.lower() for w in ("write", "create", "edit")):
                    verb = "read"
                shell.path(verb, Word(text, any(c in text for c in "*?")), frame, via=title)
                touched.add("path")
            elif field == "url" and ("://" in text or "." in text) and " " not in text:
                verb = "send" if kind in ("send", "write", "publish", "run") and "webhook" in key.lower() else "receive"
                ledger.url(verb, text, via=title, traits=("upload",) if verb == "send" else ("download",))
                touched.add("url")
            elif field == "sql" and _sql_like(text):
                from hitl_opa.facts.sql import read_sql

                read_sql(ledger, text, via=title)
                touched.add("sql")
            elif field == "command" and text.strip():
                shell.script(text, frame.within(title), via=title)
                touched.add("command")
            elif field == "code" and text.strip() and key.lower() not in ("expression",):
                ledger.opaque("inline-code", text, title)
                ledger.effect("execute", "code", title, place="inline", via=title)
                touched.add("code")
    return touched


def _path_like(text: str) -> bool:
    return bool(text) and "\n" not in text and "://" not in text and len(text) < 4096


def _sql_like(text: str) -> bool:
    head = text.lstrip(" (\n\t;").split(None, 1)
    return bool(head) and head[0].lower() in (
        "select",
        "insert",
        "update",
        "delete",
        "drop",
        "create",
        "alter",
        "truncate",
        "with",
        "grant",
        "revoke",
        "merge",
        "copy",
        "explain",
        "show",
        "describe",
        "call",
        "exec",
        "execute",
        "vacuum",
        "attach",
        "pragma",
        "set",
        "begin",
        "replace",
        "do",
        "load",
        "values",
        "table",
        "use",
        "--",
        "/*",
    )


def _effect(
    ledger: Ledger,
    kind: str,
    objects: set[str],
    place: str,
    value: str,
    title: str,
    traits: set[str],
    touched: set[str],
) -> None:
    if touched & {"sql", "command"} and kind in ("query", "run", ""):
        return
    if kind == "query":
        if "path" not in touched:
            ledger.effect("query", "remote", value, place=place, via=title)
        return
    if kind == "secret":
        ledger.effect("read", "secret", value, via=title)
        return
    if kind == "":
        ledger.opaque("unknown-program", value, title)
        ledger.effect("execute", "remote", value, place="unknown", via=title)
        return
    if kind == "run":
        if "code" not in touched:
            ledger.effect("execute", "remote", value, place=place, via=title)
        return
    if kind == "send":
        ledger.effect("send", "person", value, via=title, traits=("upload",))
        return
    if kind == "spend":
        ledger.effect("spend", "account", value, place="remote", via=title)
        return
    if kind == "grant" or (kind in ("write", "delete", "stop") and "account" in objects):
        ledger.effect(
            "delete" if kind == "delete" else "configure",
            "account",
            value,
            place="remote",
            via=title,
            traits=("irreversible",) if kind == "delete" else (),
        )
        return
    if kind == "delete":
        if "path" not in touched:
            ledger.effect("delete", "remote", value, place=place, via=title, traits=("irreversible",))
        return
    if kind == "publish":
        ledger.effect("publish", "remote", value, place=place, via=title)
        return
    if kind == "stop":
        ledger.effect("stop", "remote", value, place=place, via=title)
        return
    if "path" not in touched:
        ledger.effect("write", "remote", value, place=place, via=title, traits=tuple(sorted(traits)))
