"""Tools that are not the CLI's own: MCP tools and plain functions, by their names and their arguments.

A name says what class of action it is (``names.yaml``), arguments say on what: paths, URLs, SQL and
commands in them have the same effects as anywhere else. Annotations are claims of the server; they
are passed on as claims and change no fact here.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from hitl_opa.facts import names
from hitl_opa.facts.data import load
from hitl_opa.facts.intents import intent
from hitl_opa.facts.ledger import Ledger
from hitl_opa.facts.shell.interpret import Shell
from hitl_opa.facts.shell.words import Word
from hitl_opa.model import Claims, Flag, Mcp

_MACHINES = frozenset({"host", "hostname", "server", "instance", "instance_id", "machine", "target_host", "vm"})
_REMOTE = frozenset({"owner", "repo", "repository", "bucket", "branch", "project_id", "site_id"})
_PATCHED = re.compile(r"(?m)^(?:\*\*\* (?:(?:Add|Update) File|Move to): |\+\+\+ (?:b/)?)([^\t\n]+)")
_DROPPED = re.compile(r"(?m)^(?:\*\*\* Delete File: |--- (?:a/)?(?=[^\n]*\n\+\+\+ /dev/null))([^\t\n]+)")
MAX_FIELDS = 64
MAX_NESTING = 8
_SOURCES = ("src", "source", "old", "input", "from")
_TARGETS = ("dst", "dest", "output", "save", "target", "to", "new", "out")
_LOCAL_COPY = frozenset({"download", "export", "save", "dump", "backup", "screenshot", "snapshot"})
_SECRETS = (
    "password",
    "passwords",
    "credential",
    "credentials",
    "api key",
    "api keys",
    "private key",
    "token",
    "tokens",
    "secret key",
)
_NAMED = frozenset({"list", "search", "find", "count", "status", "version", "health", "help"})  # tells no secret
_TELLING = frozenset({"guard", "credentials", "env-file", "git-hooks", "shell-startup", "package-config"})
# What SQL drops, creates and alters.
_OBJECTS = frozenset(
    {
        "table", "database", "schema", "view", "index", "user", "role", "column", "sequence", "function",
        "procedure", "trigger", "type", "extension", "or", "materialized", "temporary", "temp", "unique",
        "external", "foreign", "server", "tablespace", "domain", "policy", "aggregate", "collection",
        "keyspace", "global", "unlogged", "virtual", "login", "system", "if", "warehouse", "stage", "pipe",
        "task", "stream", "model", "assembly", "constraint", "/*", "--", "event", "package", "synonym",
        "publication", "subscription", "rule", "cast",
    }
)  # fmt: skip
_SQL_INSIDE = re.compile(
    r"(?i)(?:^|;|\{)\s*(?:drop\s+(?:table|database|schema|view|index|user)|truncate\s+table|delete\s+from|alter\s+(?:table|user|role)"
    r"|insert\s+into|update\s+[\w.\"`]+\s+set|grant\s+\w+(?:\s+\w+)?\s+(?:on|to))\b"
)


_SILENT = Claims()


def identity(tool: str, annotations: dict[str, Any], trusted: frozenset[str]) -> Mcp:
    """Server, tool and claims of an ``mcp__server__tool`` name; the claims alone for other names."""
    server, name = split(tool)
    if not annotations:
        return Mcp(server=server, tool=name, pinned=server in trusted, claims=_SILENT)

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
    kind, _ = names.class_of(words, data.verbs)
    objects = {data.objects.get(w, "") for w in words} - {""}
    fields = _fields(arguments, data.fields)
    if len(fields) > MAX_FIELDS:
        ledger.opaque("too-large", f"more than {MAX_FIELDS} arguments", title)
    fields = fields[:MAX_FIELDS]
    kind = intent(tool, kind, words, arguments, fields)
    if kind == "query" and _LOCAL_COPY & set(words):
        fields = [("output" if f == "path" else f, v, k) for f, v, k in fields]
    touched = _arguments(ledger, shell, frame, title, kind, fields, arguments)
    place = (
        "production"
        if "production" in objects
        or any(str(v).lower() in ("prod", "production", "live") for k, v, _ in fields if k == "environment")
        else "service"
    )
    traits: set[str] = set()
    keeper = bool(data.groups["keepers"] & set(names.parts(server))) and not _NAMED & set(words)
    if kind == "query" and (keeper or "secret" in objects or " ".join(words).endswith(_SECRETS)):
        kind = "secret"
    value = title if not server else f"{server}/{title}"
    if _REMOTE & {key.lower() for _, _, key in fields}:
        touched -= {"path", "write", "delete"}  # a path there is one of the remote's
    for _, machine, key in fields if "command" in touched else ():
        if key.lower() in _MACHINES and isinstance(machine, str) and machine not in ("localhost", "127.0.0.1"):
            ledger.host("execute", machine, via=title)
    _effect(ledger, kind, objects, place, value, title, traits, touched, names.part_of(kind, words))


def _fields(arguments: dict[str, Any], table: dict[str, str]) -> list[tuple[str, Any, str]]:
    """Class, value and name of every argument; of nested ones too, under the nearest name."""
    out: list[tuple[str, Any, str]] = []
    level: list[tuple[str, Any]] = list(arguments.items())
    for _ in range(MAX_NESTING):
        below: list[tuple[str, Any]] = []
        for key, value in level:
            if isinstance(value, dict):
                below += value.items()
                continue
            if isinstance(value, list):
                below += [pair for v in value if isinstance(v, dict) for pair in v.items()]
            low = "_".join(names.parts(key)) or key.lower()
            kind = table.get(low) or table.get(low.replace("_", ""), "")
            if key in ("args", "argv", "arguments") and isinstance(value, list):
                continue  # the words of a command
            out.append((kind, value, key))
            if len(out) > MAX_FIELDS:
                return out
        if not below:
            break
        level = below
    return out


def _commands(arguments: dict[str, Any], table: dict[str, str], kind: str) -> list[str]:
    """Command lines, also where they are handed over as words; ``command="create"`` of an editor chooses an action."""
    if kind in ("query", "write", "delete") and len(arguments) > 1 and names.chooses(arguments.get("command")):
        return []
    out: list[str] = []
    level: list[dict[str, Any]] = [arguments]
    for _ in range(MAX_NESTING):
        below: list[dict[str, Any]] = []
        for one in level[:MAX_FIELDS]:
            words: list[Any] = next((one[k] for k in ("args", "argv", "arguments") if isinstance(one.get(k), list)), [])
            texts = [str(w) for w in words[:MAX_FIELDS] if not isinstance(w, dict | list)]
            found = False
            for key, value in one.items():
                low = "_".join(names.parts(key)) or key.lower()
                if isinstance(value, dict):
                    below.append(value)
                elif isinstance(value, list):
                    below += [v for v in value if isinstance(v, dict)]
                if table.get(low) != "command":
                    continue
                if isinstance(value, str) and value.strip():
                    out.append(value if not texts else " ".join([value, shlex.join(texts)]))
                    found = True
                elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
                    out += [shlex.join(value)] if low not in ("commands", "cmds") and " " not in value[0] else value
                    found = True
            if not found and isinstance(one.get("argv"), list) and texts:
                out.append(shlex.join(texts))
        if not below:
            break
        level = below
    return out[:MAX_FIELDS]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [v for v in value[:MAX_FIELDS] if isinstance(v, str)]
    return []


def _arguments(
    ledger: Ledger,
    shell: Shell,
    frame: Any,
    title: str,
    kind: str,
    fields: list[tuple[str, Any, str]],
    arguments: dict[str, Any],
) -> set[str]:
    """Effects that the arguments alone decide; returns which sorts were found."""
    touched: set[str] = set()
    for command in _commands(arguments, load().names.fields, kind):
        shell.script(command, frame.within(title), via=title)
        touched.add("command")
    for field, value, key in fields:
        for given in _texts(value):
            text = given.lstrip("\ufeff")
            if field == "command":
                continue
            if key.lower() in ("patch", "diff", "input") and (patched := _PATCHED.findall(text)):
                for name in patched[:MAX_FIELDS]:
                    if name != "/dev/null":
                        shell.path("write", Word(name.strip()), frame, via=title)
                for name in _DROPPED.findall(text)[:MAX_FIELDS]:
                    shell.path("delete", Word(name.strip()), frame, via=title)
                touched |= {"path", "write"}
                continue
            if field != "code" and _SQL_INSIDE.search(text) and (field == "sql" or not field):
                from hitl_opa.facts.sql import read_sql

                read_sql(ledger, text, via=title)
                touched.add("sql")
            elif text[:5].lower() == "file:" or (field in ("", "person", "output") and _is_path(ledger, frame, text)):
                low = key.lower()
                writes = kind in ("write", "delete", "publish", "") or field == "output" or low.startswith(_TARGETS)
                verb = "read" if low.startswith(_SOURCES) or not writes else "delete" if kind == "delete" else "write"
                shell.path(verb, Word(text, any(c in text for c in "*?")), frame, via=title)
                touched |= {"path", verb}
            elif field == "path" and _path_like(text):
                verb = {"delete": "delete", "query": "read", "secret": "read", "upload": "read"}.get(
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
                touched |= {"path", verb}
            elif not field and re.match(r"(?i)(?:https?|ftp|wss?)://\S+\Z", text):
                ledger.url("receive", text, via=title, traits=("download",))
                touched.add("url")
            elif field == "url" and ("://" in text or "." in text) and " " not in text:
                if text[:11].lower() == "javascript:":
                    ledger.opaque("inline-code", text, title)
                verb = (
                    "send"
                    if kind in ("send", "write", "publish", "run", "upload") and "webhook" in key.lower()
                    else "receive"
                )
                ledger.url(verb, text, via=title, traits=("upload",) if verb == "send" else ("download",))
                touched.add("url")
            elif field == "sql" and (_sql_like(text) or key.lower().startswith("sql")):
                from hitl_opa.facts.sql import read_sql

                read_sql(ledger, text, via=title)
                touched.add("sql")
            elif field == "code" and text.strip() and key.lower() not in ("expression",):
                ledger.opaque("inline-code", text, title)
                ledger.effect("execute", "code", title, place="inline", via=title)
                touched.add("code")
    return touched


def _is_path(ledger: Ledger, frame: Any, text: str) -> bool:
    """Whether the value of an argument that could be anything is a path: absolute, or one that matters by its name."""
    if not text or len(text) > 1024 or any(c.isspace() for c in text) or "://" in text:
        return False
    if text[:1] == "/" or text[:2] in ("~/", "./") or text[:3] == "../":
        return text[:2] != "//"
    return "." in text and ledger.paths.locate(text, frame.cwd).place in _TELLING


def _path_like(text: str) -> bool:
    return bool(text) and "\n" not in text and "://" not in text and len(text) < 4096


def _sql_like(text: str) -> bool:
    head = text.lstrip(" (\n\t;").split(None, 2)
    if len(head) > 1 and head[0].lower() in ("drop", "create", "alter") and head[1].lower() not in _OBJECTS:
        return False  # "drop down menu"
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
    part: str,
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
    if kind == "upload":
        ledger.effect("send", "remote", value, place=place, via=title, traits=("upload",))
        return
    if kind == "run" and "checks" in objects and place != "production":
        ledger.effect("execute", "code", value, place="workspace", via=title)
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
        if "delete" not in touched:
            ledger.effect("delete", "remote", value, place=place, via=title, traits=("irreversible",))
        return
    if kind == "publish":
        ledger.effect("publish", "remote", value, place=place, via=title)
        return
    if kind == "stop":
        ledger.effect("stop", "remote", value, place=place, via=title)
        return
    if part and place != "production":
        ledger.effect("publish", "remote", value, place=part, via=title)
        return
    if not touched & {"write", "delete"}:
        ledger.effect("write", "remote", value, place=place, via=title, traits=tuple(sorted(traits)))
