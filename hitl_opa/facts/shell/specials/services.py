"""Clients of services whose arguments are a language of their own: the GitHub API, Redis, MongoDB."""

from __future__ import annotations

import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.specials.network import READING
from hitl_opa.facts.shell.words import Word


def gh_api(call: Invocation) -> Stream:
    """``gh api``: GET unless a method or fields say otherwise; GraphQL queries are reads, mutations are not."""
    reading, shell, frame = call.reading, call.shell, call.frame
    values = _api_pairs(call.args)
    method = next((w.text.upper() for n, w in values if n in ("-X", "--method")), "")
    fields = [w for n, w in values if n in ("-f", "-F", "--field", "--raw-field")]
    endpoint = next((w.text for w in reading.operands if w.text not in ("api",)), "")
    for name, word in values:
        if name == "--input" and word.text != "-":
            shell.path("read", word, frame, via=call.via)
    graph = "graphql" in endpoint
    if graph:
        text = " ".join(w.text for w in fields)
        writes = bool(re.search(r"\bmutation\b", text)) or ("query=" not in text and bool(fields))
    else:
        writes = method not in ("", *READING) or (not method and (bool(fields) or "--input" in reading.flags))
    verb = "delete" if method == "DELETE" else "configure" if writes else "query"
    place = (
        "protected-branch"
        if re.search(r"/(?:merge|git/refs|branches/[^/]+/protection|merges)\b", endpoint) and writes
        else "repository"
    )
    traits = ("irreversible",) if verb == "delete" else ()
    shell.ledger.effect(
        verb,
        "remote",
        endpoint.replace(UNKNOWN, "?"),
        place=place,
        via=call.via,
        traits=tuple(sorted({*traits, *frame.traits})),
        certain=frame.certain,
    )
    return UNREAD


def _api_pairs(args: list[Word]) -> list[tuple[str, Word]]:
    out: list[tuple[str, Word]] = []
    for i, word in enumerate(args):
        text = word.text
        for name in ("-X", "--method", "-f", "-F", "--field", "--raw-field", "--input"):
            if text == name and i + 1 < len(args):
                out.append((name, args[i + 1]))
            elif text.startswith(name + "=") or (
                len(name) == 2 and text.startswith(name) and len(text) > 2 and text[:2] != "--"
            ):
                out.append((name, Word(text[len(name) :].lstrip("="), word.glob, word.origin)))
    return out


def gh_merge(call: Invocation) -> Stream:
    """A direct merge lands on the protected branch; ``--auto`` waits for the checks."""
    traits = {*call.frame.traits}
    if call.reading.flags & {"--admin"}:
        traits |= {"force", "disable-security"}
    if call.reading.flags & {"-d", "--delete-branch"}:
        traits.add("irreversible")
    value = " ".join(w.text for w in call.reading.operands[:1])
    call.shell.ledger.effect(
        "publish",
        "remote",
        value,
        place="protected-branch",
        via=call.via,
        traits=tuple(sorted(traits)),
        certain=call.frame.certain,
    )
    return UNREAD


_REDIS_READ = frozenset(
    [
        "GET",
        "MGET",
        "HGET",
        "HGETALL",
        "HMGET",
        "HKEYS",
        "HVALS",
        "HLEN",
        "HEXISTS",
        "LRANGE",
        "LLEN",
        "LINDEX",
        "SMEMBERS",
        "SCARD",
        "SISMEMBER",
        "ZRANGE",
        "ZCARD",
        "ZSCORE",
        "ZRANK",
        "ZCOUNT",
        "ZRANGEBYSCORE",
        "KEYS",
        "SCAN",
        "HSCAN",
        "SSCAN",
        "ZSCAN",
        "EXISTS",
        "TTL",
        "PTTL",
        "TYPE",
        "STRLEN",
        "INFO",
        "PING",
        "DBSIZE",
        "TIME",
        "MONITOR",
        "SLOWLOG",
        "CLIENT",
        "MEMORY",
        "LASTSAVE",
        "ROLE",
        "XLEN",
        "XRANGE",
        "XINFO",
        "OBJECT",
        "DUMP",
        "GETRANGE",
        "BITCOUNT",
        "RANDOMKEY",
        "ECHO",
        "COMMAND",
        "LATENCY",
        "PFCOUNT",
        "GEOPOS",
        "ZREVRANGE",
        "SUBSCRIBE",
        "PSUBSCRIBE",
        "PUBSUB",
        "SELECT",
        "AUTH",
        "HELP",
        "MODULE",
        "ACL",
        "CLUSTER",
    ]
)

_REDIS_DROP = frozenset({"FLUSHALL", "FLUSHDB", "SHUTDOWN", "DEBUG", "SWAPDB"})


_REDIS_LOOKS = frozenset(
    {"--scan", "--bigkeys", "--memkeys", "--hotkeys", "--stat", "--latency", "--latency-history", "--latency-dist"}
)


def redis(call: Invocation) -> Stream:
    words = [w.text for w in (call.reading.rest or call.reading.operands)]
    shell, frame = call.shell, call.frame
    if not words and call.stdin.text:
        words = call.stdin.text.split()
    command = words[0].upper() if words else ""
    traits = {*frame.traits}
    target = "redis"
    if command in _REDIS_DROP:
        verb, extra = "delete", {"irreversible", "all", "bulk"}
    elif command in ("DEL", "UNLINK", "HDEL", "LTRIM", "EXPIRE", "GETDEL", "LPOP", "RPOP", "SREM", "ZREM", "XTRIM"):
        verb, extra = "delete", set()
    elif command in ("CONFIG",):
        verb, extra = (
            ("query", set()) if len(words) > 1 and words[1].upper() == "GET" else ("configure", {"disable-security"})
        )
    elif command in ("EVAL", "EVALSHA", "SCRIPT", "FUNCTION", "FCALL"):
        verb, extra = "execute", set()
    elif command in _REDIS_READ or (not command and call.reading.flags & _REDIS_LOOKS):
        verb, extra = "query", set()
    elif not command:
        verb, extra = "execute", {"interactive"}
    else:
        verb, extra = "write", set()
    shell.ledger.effect(
        verb, "database", target, via=call.via, traits=tuple(sorted({*traits, *extra})), certain=frame.certain
    )
    return UNREAD


def mongo(call: Invocation) -> Stream:
    """mongosh ``--eval``: JavaScript on a database, by the methods it calls."""
    shell, frame = call.shell, call.frame
    scripts = [w for a, w in call.reading.found if w is not None and a.kind == "run"]
    if not scripts and call.stdin.text:
        scripts = [Word(call.stdin.text, False, call.stdin.origin)]
    if not scripts:
        files = [w for w in call.reading.operands if w.text.endswith(".js")]
        for word in files:
            shell.path("read", word, frame, via=call.via)
        shell.ledger.effect(
            "execute",
            "database",
            "mongo",
            via=call.via,
            traits=tuple(sorted({*frame.traits, "interactive"} if not files else {*frame.traits})),
        )
        return UNREAD
    for word in scripts:
        text = word.text
        traits = {*frame.traits}
        if re.search(
            r"(?i)\.(?:dropDatabase|drop|dropIndexes|dropUser|dropAllUsers\w*|dropRole)\s*\(|\.(?:deleteMany|remove)\s*\(\s*(?:\{\s*\}\s*)?\)|shutdownServer",
            text,
        ):
            verb = "delete"
            traits |= {"irreversible", "bulk", "no-where"}
        elif re.search(r"\.(?:delete\w*|remove|findOneAndDelete|bulkWrite)\s*\(", text):
            verb = "delete"
        elif (
            re.search(
                r"\.(?:insert\w*|update\w*|replace\w*|findOneAnd\w+|save|rename\w*|create\w*|grant\w*|revoke\w*|aggregate\s*\(.*\$(?:out|merge)|setParameter|adminCommand|runCommand|eval)\b",
                text,
                re.DOTALL,
            )
            or UNKNOWN in text
        ):
            verb = "write"
        elif re.search(
            r"\b(?:find\w*|count\w*|aggregate|distinct|stats|getCollection\w*|show|explain|serverStatus|version|hello|isMaster|ping|getUsers|getMongo|listDatabases|getIndexes|currentOp|hostInfo|status|conf|help|getName|printjson|print|getSiblingDB|listCollections)\b",
            text,
        ):
            verb = "query"
        else:
            verb = "execute"
        shell.ledger.effect(
            verb, "database", "mongo", via=call.via, traits=tuple(sorted(traits)), certain=frame.certain
        )
    return UNREAD
