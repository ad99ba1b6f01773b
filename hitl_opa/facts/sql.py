"""SQL statements: what they do to which tables. The only module that imports sqlglot.

The dialect is not known, so several are tried. What parses only to an opaque command, and what no
dialect parses, is opaque ``sql-command``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.model import SqlFact

if TYPE_CHECKING:
    from hitl_opa.facts.ledger import Ledger

MAX_SQL = 32_768
MAX_STATEMENTS = 256
_DIALECTS = ("postgres", "mysql", "", "tsql", "sqlite", "bigquery", "snowflake", "oracle")
# A SELECT of names, numbers and comparisons from one table, nothing else: no calls, no INTO, no sub-statements.
_SIMPLE = re.compile(
    r"\s*select\s+(?:\*|[\w.\"`, ]+|count\(\*\))\s+from\s+([\w.\"`]+)"
    r"(?:\s+where\s+[\w.]+\s*(?:=|<|>|<=|>=|<>|!=)\s*(?:\d+|'[^'\\]*'))?"
    r"(?:\s+order\s+by\s+[\w.]+(?:\s+(?:asc|desc))?)?(?:\s+limit\s+\d+)?\s*;?\s*\Z",
    re.IGNORECASE,
)
_NOT_NAMES = re.compile(r"\b(?:into|insert|update|delete|union|from|for)\b", re.IGNORECASE)
_QUERIES = re.compile(
    r"(?is)\s*(?:show|describe|desc|explain(?!\s+(?:\([^)]*analy[sz]e[^)]*\)|analy[sz]e))|help|use|pragma\s+(?:table_info|table_list|index_list|database_list|foreign_key_list|schema_version|user_version|compile_options|journal_mode|integrity_check|quick_check|page_count)\b[^=]*|set\s+(?:names|search_path|statement_timeout|client_encoding|session|local)\b|begin|start\s+transaction|commit|rollback|end)\b[^;]*;?\s*\Z"
)
_META = re.compile(r"\s*[\\.]([A-Za-z!?+]+)\s*(.*)", re.DOTALL)
_DANGER = re.compile(
    r"(?is)xp_cmdshell|\bsp_configure\b|\bsp_OACreate\b|into\s+(?:outfile|dumpfile)|load_file\s*\(|\bcopy\b.{1,2000}?\b(?:program|to|from)\b|\blo_(?:import|export)\b|pg_(?:read|write)_file|pg_ls_dir|load\s+data|load_extension|\bsystem\b\s|utl_http|utl_file|dblink|pg_terminate_backend|pg_reload_conf|sys_(?:exec|eval)|\bnextval\b|\bsetval\b|\battach\s"
)
_CALLS_THAT_WRITE = re.compile(
    r"(?i)\b(?:setval|nextval|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|lo_import|lo_unlink|lo_export|pg_read_file|pg_read_binary_file|pg_ls_dir|pg_write_file|pg_file_write|dblink\w*|load_extension|writefile|edit|load_file|sys_exec|sys_eval|xp_\w+|sp_\w+|pg_sleep|sleep|benchmark|pg_rotate_logfile|pg_switch_wal|pg_create_\w+|pg_drop_\w+|pg_advisory_\w+|set_config|query_to_xml|txid_current|utl_http\.\w+|system)\s*\("
)


def read_sql(
    ledger: Ledger,
    text: str,
    *,
    via: str,
    traits: tuple[str, ...] = (),
    certain: bool = True,
    shell: Callable[[str], object] | None = None,
) -> None:
    """Effects of one or more statements; ``shell`` reads commands that a client runs (``\\! ls``)."""
    if len(text) > MAX_SQL:
        ledger.opaque("too-large", f"{len(text)} characters of SQL", via)
        return
    plain = text.replace(UNKNOWN, "unknown_0")
    match = _SIMPLE.match(plain)
    if match and not _NOT_NAMES.search(
        plain[: match.start(1)].lower().removeprefix("select").rstrip().removesuffix("from")
    ):
        _fact(ledger, "select", [match[1].strip('"`')], "where" in plain.lower(), via, traits, certain, "query")
        return
    rest = _meta(ledger, plain, via, traits, certain, shell)
    if not rest.strip(" ;\n\t"):
        return
    if _QUERIES.match(rest):
        _fact(ledger, rest.split()[0].lower().strip(";"), [], False, via, traits, certain, "query")
        return
    _statements(ledger, rest, via, traits, certain)


def _fact(
    ledger: Ledger,
    verb: str,
    tables: list[str],
    where: bool,
    via: str,
    traits: tuple[str, ...],
    certain: bool,
    effect: str,
    extra: tuple[str, ...] = (),
) -> None:
    if len(ledger.sql) < 256:
        ledger.sql.append(SqlFact(verb=verb, tables=tables[:32], where=where))
    place = "production" if any(re.search(r"(?i)(?:^|[^a-z])prod(?:uction)?(?:$|[^a-z])", t) for t in tables) else ""
    ledger.effect(
        effect,
        "database",
        ", ".join(tables[:8]),
        place=place,
        via=via,
        traits=tuple(sorted({*traits, *extra})),
        certain=certain,
    )


def _meta(
    ledger: Ledger, text: str, via: str, traits: tuple[str, ...], certain: bool, shell: Callable[[str], object] | None
) -> str:
    """Lines for the client (``\\dt``, ``.tables``); returns the SQL that is left."""
    left = []
    for line in text.split("\n"):
        match = _META.match(line)
        if match is None or (line.lstrip()[:1] == "." and via not in ("sqlite3", "sqlite", "duckdb")):
            left.append(line)
            continue
        name, value = match[1].lower(), match[2].strip()
        if name in ("!", "shell", "system", "sh"):
            if shell is not None:
                shell(value)
            ledger.effect("execute", "code", value, place="inline", via=via, traits=traits, certain=certain)
        elif name in (
            "copy",
            "o",
            "out",
            "w",
            "g",
            "output",
            "once",
            "dump",
            "save",
            "backup",
            "i",
            "ir",
            "include",
            "read",
            "import",
            "restore",
            "load",
            "clone",
            "open",
            "excel",
            "log",
            "tee",
            "source",
        ):
            if "|" in value:
                ledger.opaque("sql-command", line, via)
            elif name in ("o", "out", "w", "output", "once", "save", "backup", "clone", "log", "tee") and value:
                ledger.path(
                    "write", value.split()[-1].strip("'\""), ledger.paths.cwd, via=via, traits=traits, certain=certain
                )
            elif name == "load":
                ledger.effect("execute", "code", value, place="unknown", via=via, traits=traits, certain=certain)
            writes = name not in ("i", "ir", "include", "read", "import", "load", "source", "dump")
            if name == "dump":
                ledger.effect("query", "database", value, via=via, traits=traits, certain=certain)
            elif name in ("i", "ir", "include", "read", "source"):
                ledger.opaque("sql-command", line, via)
                ledger.effect("execute", "database", value, via=via, traits=traits, certain=certain)
            else:
                ledger.effect(
                    "write" if writes or name == "import" else "read",
                    "database",
                    value,
                    via=via,
                    traits=traits,
                    certain=certain,
                )
        else:
            ledger.effect("query", "database", "", via=via, traits=traits, certain=certain)
    return "\n".join(left)


def _statements(ledger: Ledger, text: str, via: str, traits: tuple[str, ...], certain: bool) -> None:
    parsed = _parse(text)
    if parsed is None:
        _unparsed(ledger, text, via, traits, certain)
        return
    from sqlglot import expressions as exp

    statements = [s for s in parsed if s is not None]
    if len(statements) > MAX_STATEMENTS:
        ledger.opaque("too-large", f"{len(statements)} SQL statements", via)
    writes = _CALLS_THAT_WRITE.search(text) is not None
    for statement in statements[:MAX_STATEMENTS]:
        _statement(ledger, statement, exp, text if len(statements) == 1 else "", via, traits, certain, writes=writes)
    if _DANGER.search(text):
        _dangerous(ledger, text, via, traits, certain)


def _parse(text: str) -> list[Any] | None:
    import logging

    import sqlglot
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    best: list[Any] | None = None
    for dialect in _DIALECTS:
        try:
            parsed = sqlglot.parse(text, read=dialect or None)
        except (SqlglotError, RecursionError, ValueError, AttributeError, TypeError, IndexError, KeyError):
            continue
        if not any(type(s).__name__ == "Command" for s in parsed if s is not None):
            return parsed
        best = best or parsed
    return best


def _statement(
    ledger: Ledger, node: Any, exp: Any, text: str, via: str, traits: tuple[str, ...], certain: bool, *, writes: bool
) -> None:
    tables = [t.sql() for t in node.find_all(exp.Table)][:32]
    kind = type(node).__name__
    name = kind.lower()
    where = node.find(exp.Where) is not None
    extra: tuple[str, ...] = ()
    inner = {
        type(n).__name__ for n in node.find_all(exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Drop, exp.Merge)
    } - {kind}
    if kind == "Command":
        _unparsed(ledger, node.sql(), via, traits, certain)
        return
    if kind in ("Drop", "TruncateTable"):
        effect, extra = "delete", ("bulk", "irreversible")
        name = "drop" if kind == "Drop" else "truncate"
    elif kind == "Delete":
        effect = "delete"
        extra = () if node.args.get("where") is not None else ("bulk", "no-where")
        where = node.args.get("where") is not None
    elif kind == "Update":
        effect = "write"
        where = node.args.get("where") is not None
        extra = () if where else ("bulk", "no-where")
    elif kind in ("Insert", "Merge", "Copy", "LoadData"):
        effect = "write"
        if kind == "Insert" and node.args.get("overwrite"):
            extra = ("overwrite",)
    elif kind in (
        "Select",
        "Union",
        "Except",
        "Intersect",
        "Subquery",
        "Values",
        "Describe",
        "Show",
        "With",
        "Table",
        "Summarize",
        "Paren",
    ):
        effect = "query"
        if node.find(exp.Into) is not None or inner & {"Insert", "Update", "Create", "Merge"}:
            effect, name = "write", "select-into"
        if inner & {"Delete", "Drop"}:
            effect, extra = "delete", ("no-where",) if not where else ()
        if kind == "Select" and node.args.get("locks"):
            effect = "write"
        if (
            kind == "Describe"
            and re.search(r"(?i)analy[sz]e", text or node.sql())
            and re.search(r"(?i)\b(?:insert|update|delete|merge)\b", text or node.sql())
        ):
            effect = "write"
        if writes:
            effect = "execute" if effect == "query" else effect
    elif kind in (
        "Create",
        "Alter",
        "AlterColumn",
        "Comment",
        "Index",
        "Analyze",
        "RenameTable",
        "Refresh",
        "Cache",
        "Uncache",
        "Clone",
    ):
        effect = (
            "configure"
            if kind != "Create" or str(node.args.get("kind", "")).upper() not in ("TABLE", "VIEW", "INDEX")
            else "write"
        )
        if kind == "Alter" and re.search(r"(?i)\bdrop\b", node.sql()):
            extra = ("irreversible",)
        if kind == "Create" and node.args.get("replace"):
            extra = ("overwrite",)
    elif kind in ("Grant", "Revoke"):
        ledger.effect(
            "configure", "account", ", ".join(tables), place="remote", via=via, traits=traits, certain=certain
        )
        effect = "configure"
    elif kind in ("Use", "Set", "Pragma", "Transaction", "Commit", "Rollback", "Semicolon", "Declare"):
        effect = "query"
        if kind == "Set" and re.search(
            r"(?i)\brole\b|session\s+authorization|\bglobal\b|\bpersist\b|password", node.sql()
        ):
            effect = "configure"
        if kind == "Pragma" and "=" in node.sql():
            effect = "configure"
    elif kind in ("Kill", "Attach", "Detach", "Execute", "Export", "Install"):
        effect = "stop" if kind == "Kill" else "configure"
    else:
        _unparsed(ledger, node.sql(), via, traits, certain)
        return
    _fact(ledger, name, tables, where, via, traits, certain, effect, extra)


def _unparsed(ledger: Ledger, text: str, via: str, traits: tuple[str, ...], certain: bool) -> None:
    """A statement known by its first words only."""
    first = (re.findall(r"[A-Za-z_]+", re.sub(r"/\*.*?\*/|--[^\n]*", " ", text)) or [""])[0].lower()
    if _QUERIES.match(text):
        _fact(ledger, first, [], False, via, traits, certain, "query")
        return
    ledger.opaque("sql-command", text, via)
    effect, extra = {
        "drop": ("delete", ("bulk", "irreversible")),
        "truncate": ("delete", ("bulk", "irreversible")),
        "delete": ("delete", ()),
        "flush": ("configure", ()),
        "grant": ("configure", ()),
        "revoke": ("configure", ()),
        "alter": ("configure", ()),
        "create": ("configure", ()),
        "insert": ("write", ()),
        "update": ("write", ()),
    }.get(first, ("execute", ()))
    _fact(ledger, first or "unknown", [], False, via, traits, certain, effect, extra)
    if _DANGER.search(text):
        _dangerous(ledger, text, via, traits, certain)


def _dangerous(ledger: Ledger, text: str, via: str, traits: tuple[str, ...], certain: bool) -> None:
    low = text.lower()
    if re.search(r"xp_cmdshell|sp_oacreate|sys_exec|sys_eval|copy\b.{1,2000}?\bprogram\b|\bsystem\b\s", low, re.DOTALL):
        ledger.effect("execute", "code", text, place="unknown", via=via, traits=traits, certain=certain)
        ledger.opaque("sql-command", text, via)
    for match in re.finditer(r"(?is)\battach\s+(?:database\s+)?(?:if\s+not\s+exists\s+)?['\"]([^'\"]+)['\"]", text):
        ledger.path("read", match[1], ledger.paths.cwd, via=via, traits=traits, certain=certain)
    for match in re.finditer(r"(?is)into\s+(?:outfile|dumpfile)\s+'([^']+)'|\bcopy\b.{1,2000}?\bto\s+'([^']+)'", text):
        ledger.path("write", match[1] or match[2], "", via=via, traits=traits, certain=certain)
    for match in re.finditer(
        r"(?is)load_file\s*\(\s*'([^']+)'|pg_read_\w*file\s*\(\s*'([^']+)'|\bcopy\b.{1,2000}?\bfrom\s+'([^']+)'|infile\s+'([^']+)'",
        text,
    ):
        ledger.path("read", next(g for g in match.groups() if g), "", via=via, traits=traits, certain=certain)
