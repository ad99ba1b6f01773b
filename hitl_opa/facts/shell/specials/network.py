"""curl, scp and rsync, netcat, the GitHub API, redis and mongo: arguments with a grammar of their own."""

from __future__ import annotations

import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.words import Word
from hitl_opa.facts.urls import read_url

_DATA = frozenset(
    {
        "-d",
        "--data",
        "--data-ascii",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "-F",
        "--form",
        "--form-string",
        "-T",
        "--upload-file",
        "--json",
        "--url-query",
        "--post-data",
        "--post-file",
        "--body-data",
        "--body-file",
        "--mail-from",
    }
)
_SAID = frozenset(
    {"-H", "--header", "-u", "--user", "-b", "--cookie", "-A", "--user-agent", "-e", "--referer", "--oauth2-bearer"}
)
_THROUGH = frozenset(
    {
        "--resolve",
        "--connect-to",
        "-x",
        "--proxy",
        "--preproxy",
        "--socks5",
        "--socks4",
        "--socks5-hostname",
        "--doh-url",
    }
)
# Elasticsearch, CouchDB, InfluxDB, ClickHouse, ArangoDB, Neo4j, Solr, Qdrant, RabbitMQ: what is deleted there is gone
_STORES = frozenset({9200, 5984, 8086, 8123, 8529, 7474, 8983, 6333, 15672})
READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"})


def curl(call: Invocation) -> Stream:
    """Sends when it has a body, a writing method or a secret in its URL; else receives."""
    reading, shell, frame = call.reading, call.shell, call.frame
    origin = (
        call.stdin.origin & frozenset({"secret"})
        if any(w.text == "-" or w.text in ("@-", "@/dev/stdin") or w.text.endswith("=@-") for w in call.args)
        else frozenset()
    )
    flags = reading.flags
    sends = bool(flags & _DATA)
    method = ""
    values = _pairs(call.args)
    outputs: list[Word] = []
    for name, word in values:
        if name in ("-X", "--request", "--method"):
            method = word.text.upper()
        elif name in ("-o", "--output", "-O", "--output-document") and call.via == (
            "curl" if name in ("-o", "--output") else "wget"
        ):
            outputs.append(word)
    if flags & {"-G", "--get"} and not method:
        sends = False
    if method and method not in READING:
        sends = True
    if method in ("GET", "HEAD") and not flags & {"-d", "--data-binary", "-F", "-T"}:
        sends = False
    for name, word in values:
        if name in _SAID and "leak" in word.origin:
            origin |= {"secret"}
        elif name in ("-b", "--cookie") and call.via == "curl" and "=" not in word.text:
            content = shell.read(word, frame, via=call.via)
            origin |= content.origin & frozenset({"secret"})
        elif name in ("-K", "--config") and call.via == "curl":
            shell.ledger.opaque("inline-code", word.text, call.via)  # options that nobody has read
            shell.ledger.url("send", UNKNOWN, via=call.via, traits=("upload",), certain=False)
        elif name in _THROUGH and call.via == "curl":
            for host in re.findall(r"\[[^]]+\]|[^:,/@+]+", re.sub(r"^[+\w]+://", "", word.text)):
                if "." in host or host[:1] == "[":
                    shell.ledger.url("receive", host, via=call.via, traits=("download",))
        if name in _DATA:
            origin |= word.origin & frozenset({"secret"})
            for file in _files(name, word):
                content = shell.read(file, frame, via=call.via) if file.text != "-" else call.stdin
                if file.text != "-":
                    shell.path("send", file, frame, via=call.via)
                origin |= content.origin & frozenset({"secret"})
    out_is_file = (
        (bool(outputs) and outputs[0].text not in ("-", "/dev/stdout")) or "-O" in flags or "--remote-name" in flags
    )
    traits = {*frame.traits}
    urls = list(reading.operands) + [w for n, w in values if n == "--url"]
    for act, value in reading.found:
        if act.kind == "path" and value is not None and value.text != "-":
            shell.path(act.verb, value, frame, via=call.via, traits=act.traits)
        elif act.kind == "run" and value is not None:
            call.run(act, value)
    saved = Stream(None, frozenset({"remote"}))
    for output in outputs:
        if output.text not in ("-", "/dev/null"):
            shell.wrote(output.text, frame, saved)
    for word in urls:
        secret = "secret" in origin or "secret" in (
            word.origin if not re.match(r"[a-z+]+://[^/]*@", word.text) else frozenset()
        )
        verb = "send" if sends or secret or "encoded" in word.origin else "receive"
        mine = {*traits, "upload" if verb == "send" else "download"}
        if secret:
            mine.add("secret")
        if word.text.startswith(("file:", "FILE:")):
            shell.path("read", Word(word.text.split(":", 1)[1].replace("//", "", 1) or "/"), frame, via=call.via)
            continue
        if (
            word.text.lower().startswith(
                ("http", "ftp", "sftp", "scp", "smb", "ldap", "gopher", "dict", "telnet", "tftp", "ws")
            )
            or "." in word.text
            or UNKNOWN in word.text
            or word.text in ("localhost",)
            or ":" in word.text
        ):
            shell.ledger.url(verb, word.text, via=call.via, traits=tuple(sorted(mine)), certain=frame.certain)
        else:
            shell.ledger.url(verb, word.text, via=call.via, traits=tuple(sorted(mine)), certain=frame.certain)
        if method == "DELETE" and read_url(word.text).port in _STORES:
            shell.ledger.effect("delete", "database", word.text, via=call.via, traits=frame.traits)
        if (call.via == "curl" and flags & {"-O", "--remote-name", "--remote-name-all"}) or (
            call.via in ("wget", "aria2c", "axel") and not outputs and not flags & {"--spider", "-i", "--input-file"}
        ):
            name = (
                word.text.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
                if "://" in word.text and word.text.count("/") > 2
                else "index.html"
            )
            folder = next((w.text for n, w in values if n in ("-P", "--directory-prefix", "--output-dir")), "")
            target = f"{folder}/{name}" if folder else name
            shell.path("write", Word(target), frame, via=call.via)
            shell.wrote(target, frame, saved)
    if not urls and reading.found and call.via == "wget":
        shell.ledger.url("receive", UNKNOWN, via=call.via, traits=tuple(sorted({*traits, "download"})))
    to_stdout = (
        call.via in ("curl", "http", "https", "xh")
        or any(w.text == "-" for w in outputs)
        or "-qO-" in " ".join(w.text for w in call.args)
    )
    return Stream(
        None, frozenset({"remote"}) if to_stdout and not (out_is_file and call.via == "curl") else frozenset()
    )


def _pairs(args: list[Word]) -> list[tuple[str, Word]]:
    """Options that may carry a value, with that value in whichever way it was attached."""
    out: list[tuple[str, Word]] = []
    for i, word in enumerate(args):
        text = word.text
        if text[:2] == "--":
            name, eq, value = text.partition("=")
            if eq:
                out.append((name, Word(value, word.glob, word.origin)))
            elif i + 1 < len(args):
                out.append((name, args[i + 1]))
        elif text[:1] == "-" and len(text) > 1:
            for j, letter in enumerate(text[1:], 1):
                if letter in "dFToXOPHuAebxKm":
                    rest = text[j + 1 :]
                    if rest or i + 1 < len(args):
                        out.append(
                            ("-" + letter, Word(rest.lstrip("="), word.glob, word.origin) if rest else args[i + 1])
                        )
                    break
    return out


def _files(name: str, word: Word) -> list[Word]:
    """Files whose content a data option sends."""
    text = word.text
    if name in ("-T", "--upload-file", "--post-file", "--body-file"):
        return [word]
    if name in ("--data-raw", "--form-string", "--post-data"):
        return []
    if name in ("-F", "--form"):
        match = re.match(r"[^=]*=[@<]([^;]+)", text)
        return [Word(match[1], word.glob, word.origin)] if match else []
    if name == "--data-urlencode":
        match = re.match(r"[^=@]*@(.+)", text)
        return [Word(match[1])] if match else []
    return [Word(text[1:], word.glob, word.origin)] if text[:1] == "@" else []


def copy(call: Invocation) -> Stream:
    """scp, rsync: ``host:path`` is another machine; the other operands are files here."""
    reading, shell, frame = call.reading, call.shell, call.frame
    operands = reading.operands
    traits = tuple(sorted({*reading.traits, *frame.traits}))
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            call.run(act, word)
        elif act.kind == "path" and word is not None:
            shell.path(act.verb, word, frame, via=call.via)
    if not operands:
        return UNREAD
    if len(operands) == 1:
        host = _remote_host(operands[0].text)
        shell.ledger.url("query", host, via=call.via, traits=traits) if host else shell.path(
            "read", operands[0], frame, via=call.via
        )
        return UNREAD
    *sources, target = operands
    secret = False
    for word in sources:
        host = _remote_host(word.text)
        if host:
            shell.ledger.url(
                "receive", host, via=call.via, traits=tuple(sorted({"download", *traits})), certain=frame.certain
            )
        else:
            secret = (
                shell.path("read", word, frame, via=call.via, traits=traits)
                in ("credentials", "env-file", "system-auth")
                or secret
            )
            if "recursive" in traits and "dry-run" not in traits:
                shell.copies(word, frame, call.via)
    host = _remote_host(target.text)
    if host:
        tries = "dry-run" in reading.traits
        for word in sources:
            if not _remote_host(word.text):
                shell.path("read" if tries else "send", word, frame, via=call.via, traits=traits)
        shell.ledger.url(
            "query" if tries else "send",
            host,
            via=call.via,
            traits=tuple(sorted({*(() if tries else ("upload",)), *traits, *(("secret",) if secret else ())})),
            certain=frame.certain,
        )
    else:
        if "dry-run" in reading.traits:
            shell.path("read", target, frame, via=call.via, traits=tuple(sorted(reading.traits)))
            return UNREAD
        deletes = any(f.startswith("--del") for f in reading.flags)
        shell.path("write", target, frame, via=call.via, traits=tuple(sorted({"overwrite", *reading.traits})))
        if any(_remote_host(w.text) for w in sources) and target.known:
            fetched = Stream(None, frozenset({"remote"}))
            shell.wrote(target.text, frame, fetched)
            for word in sources:
                if word.known:
                    shell.wrote(
                        f"{target.text.rstrip('/')}/{word.text.rsplit('/', 1)[-1].split(':')[-1]}", frame, fetched
                    )
        if deletes:
            shell.path("delete", target, frame, via=call.via, traits=("bulk", "recursive"))
        if "--remove-source-files" in reading.flags:
            for word in sources:
                shell.path("delete", word, frame, via=call.via)
    return UNREAD


def _remote_host(text: str) -> str:
    if text.startswith(("scp://", "rsync://", "sftp://")):
        return text
    head, colon, _ = text.partition(":")
    if not colon or "/" in head or (len(head) < 2 and head != UNKNOWN):
        return ""
    return head.split("@")[-1]


def nc(call: Invocation) -> Stream:
    """netcat and socat: connects or listens; ``-e`` hands the connection a program."""
    reading, shell, frame = call.reading, call.shell, call.frame
    listens = bool(reading.flags & {"-l", "--listen", "-lp", "-L"})
    traits = {*frame.traits}
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            shell.ledger.effect(
                "execute",
                "code",
                word.text,
                place="remote",
                via=call.via,
                traits=tuple(sorted({"reverse-shell", *traits})),
                certain=frame.certain,
            )
    operands = list(reading.operands)
    if call.via == "socat":
        for word in operands:
            match = re.match(r"(?i)(EXEC|SYSTEM|SHELL):(.+)", word.text, re.DOTALL)
            if match:
                shell.ledger.effect(
                    "execute",
                    "code",
                    match[2],
                    place="remote",
                    via="socat",
                    traits=tuple(sorted({"reverse-shell", *traits})),
                    certain=frame.certain,
                )
            match = re.match(r"(?i)(?:TCP|UDP|OPENSSL|SSL|SOCKS)[46]?(?:-CONNECT)?:([^:,]+)", word.text)
            if match:
                shell.ledger.host("send", match[1], via="socat", traits=tuple(sorted({"upload", *traits})))
            match = re.match(r"(?i)(?:UNIX|GOPEN)(?:-CONNECT|-CLIENT|-SENDTO)?:([^,]+)", word.text)
            if match:
                shell.path("write", Word(match[1], False, word.origin), call.frame, via="socat", traits=tuple(traits))
            if re.match(r"(?i)\w+-L(?:ISTEN)?:", word.text):
                shell.ledger.effect(
                    "configure",
                    "system",
                    word.text,
                    place="network",
                    via="socat",
                    traits=tuple(sorted({"listen", *traits})),
                )
            match = re.match(r"(?i)(?:OPEN|FILE|CREATE|GOPEN):([^,]+)", word.text)
            if match:
                if word is operands[0] and len(operands) > 1:
                    shell.path("send", Word(match[1]), frame, via="socat")
                shell.path("write", Word(match[1]), frame, via="socat")
        return Stream(None, frozenset({"remote"}))
    if listens:
        shell.ledger.effect(
            "configure",
            "system",
            " ".join(w.text for w in operands)[:100],
            place="network",
            via=call.via,
            traits=tuple(sorted({"listen", *traits})),
            certain=frame.certain,
        )
    elif operands:
        only_probes = bool(reading.flags & {"-z"})
        secret = {"secret"} if "secret" in call.stdin.origin else set()
        shell.ledger.url(
            "query" if only_probes else "send",
            operands[0].text,
            via=call.via,
            traits=tuple(sorted({*traits, *(() if only_probes else ("upload",)), *secret})),
            certain=frame.certain,
        )
    return Stream(None, frozenset({"remote"}))


def http(call: Invocation) -> Stream:
    """httpie and xh: a method word, a URL, then items; an item with ``=`` makes a body."""
    words = list(call.reading.operands)
    method = (
        words.pop(0).text.upper()
        if words and re.fullmatch(r"(?i)get|head|options|post|put|patch|delete", words[0].text)
        else ""
    )
    if not words:
        return UNREAD
    items = words[1:]
    body = any(re.match(r"[^=:]+(?::=|=(?!=)|@)", w.text) for w in items) or (
        call.stdin != UNREAD and bool(call.stdin.origin)
    )
    sends = method not in ("", *READING) or (not method and body)
    secret = "secret" in call.stdin.origin or any("secret" in w.origin for w in items)
    for word in items:
        match = re.match(r"[^=:@]+=?@(.+)", word.text)
        if match:
            call.shell.path("send", Word(match[1]), call.frame, via=call.via)
    for act, value in call.reading.found:
        if act.kind == "path" and value is not None:
            call.shell.path(act.verb, value, call.frame, via=call.via)
    traits = {*call.frame.traits, "upload" if sends else "download", *(("secret",) if secret else ())}
    call.shell.ledger.url(
        "send" if sends else "receive",
        words[0].text,
        via=call.via,
        traits=tuple(sorted(traits)),
        certain=call.frame.certain,
    )
    return Stream(None, frozenset({"remote"}))
