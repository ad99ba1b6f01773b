"""JavaScript, Perl, Ruby, PHP, Lua, R: the calls that reach files, processes and hosts, found by their names.

These languages are not parsed. String constants are taken from the arguments of known calls; a call
whose argument is not a constant is opaque, and code with nothing recognisable in it that could still
do anything (``eval``, ``require`` of the unknown, backticks) is opaque ``inline-code``.
"""

# ruff: noqa: E501  (tables read better a language a line)

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

MAX_CALLS = 64
MAX_ARGUMENTS = 4096
_STR = r"""(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`|q[qxw]?\{([^}]*)\}|q[qxw]?\(([^)]*)\)|%[qQxw]?[\{\(\[]([^\}\)\]]*)[\}\)\]]|q[qxw]?/([^/]*)/)"""
_STRING = re.compile(_STR)
_RUN = {
    "node": r"(?:exec|execSync|spawn|spawnSync|execFile|execFileSync|fork)",
    "perl": r"(?:system|exec|qx|readpipe)",
    "ruby": r"(?:system|exec|spawn|IO\.popen|Open3\.\w+|Process\.spawn|%x|syscall|PTY\.spawn)",
    "php": r"(?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec)",
    "lua": r"(?:os\.execute|io\.popen)",
    "r": r"(?:system2?|shell|shell\.exec)",
    "julia": r"(?:(?!))",  # commands stand in backticks
}
_READ = {
    "node": r"(?:readFile|readFileSync|createReadStream|readdirSync|readdir|statSync|existsSync|Deno\.readTextFile|Bun\.file)",
    "perl": r"(?:slurp|read_file)", "ruby": r"(?:File\.read|IO\.read|File\.readlines|File\.foreach|Dir\.glob|Dir\.entries|File\.exist\?)",
    "php": r"(?:file_get_contents|readfile|file|fopen|include|require|include_once|require_once|scandir|show_source|highlight_file)", "lua": r"(?:io\.lines)", "r": r"(?:read\.\w+|readLines|readRDS|source|load|list\.files)",
    "julia": r"(?:read|readlines|readdir|eachline|open|include)",
}  # fmt: skip
_WRITE = {
    "node": r"(?:writeFile|writeFileSync|appendFile|appendFileSync|createWriteStream|mkdirSync|mkdir|renameSync|rename|copyFileSync|copyFile|chmodSync|symlinkSync|truncateSync|cpSync|Deno\.writeTextFile|Bun\.write)",
    "perl": r"(?:mkdir|rename|chmod|symlink|truncate|write_file)", "ruby": r"(?:File\.write|IO\.write|FileUtils\.(?:cp|mv|mkdir_p|touch|ln_s|chmod)\w*|Dir\.mkdir|File\.rename|File\.chmod)",
    "php": r"(?:file_put_contents|mkdir|rename|copy|chmod|symlink|touch|move_uploaded_file)", "lua": r"(?:os\.rename)", "r": r"(?:write\.\w+|writeLines|saveRDS|file\.copy|file\.rename|dir\.create)",
    "julia": r"(?:write|mkdir|mkpath|mv|cp|touch|chmod|chown|symlink|hardlink)",
}  # fmt: skip
_DELETE = {
    "node": r"(?:unlink|unlinkSync|rm|rmSync|rmdir|rmdirSync|removeSync|emptyDirSync|Deno\.remove)", "perl": r"(?:unlink|rmdir|remove_tree|rmtree)",
    "ruby": r"(?:File\.delete|File\.unlink|FileUtils\.(?:rm|rm_f|rm_r|rm_rf|remove\w*)|Dir\.rmdir|Dir\.delete)", "php": r"(?:unlink|rmdir)", "lua": r"(?:os\.remove)", "r": r"(?:unlink|file\.remove)", "julia": r"(?:rm)",
}  # fmt: skip
_NET = {
    "node": r"(?:fetch|https?(?:[\"'`]\))?\.(?:get|request)|axios(?:\.\w+)?|net\.connect|net\.createConnection|(?:net[\"']?\)?|\bnet)\.Socket|got|WebSocket|tls\.connect|dgram)",
    "perl": r"(?:LWP::Simple::get|get|getstore|IO::Socket::INET->new|HTTP::Tiny\S*|socket|connect)", "ruby": r"(?:Net::HTTP\.\w+|URI\.open|open-uri|TCPSocket\.(?:new|open)|HTTParty\.\w+|Faraday\.\w+)",
    "php": r"(?:fsockopen|curl_init|curl_exec|stream_socket_client|mail)", "lua": r"(?:socket\.\w+|http\.request)", "r": r"(?:download\.file|url|curl\w*|httr::\w+|install\.packages)",
    "julia": r"(?:download|Downloads\.\w+|HTTP\.\w+|connect)",
}  # fmt: skip
_OPEN = {"ruby": r"File\.(?:open|new)", "lua": r"io\.open", "julia": r"open"}  # a mode says whether it reads
# What loads other code, by a path or an address.
_LOAD = {
    "node": r"(?:require|import)", "php": r"(?:include|include_once|require|require_once)", "lua": r"(?:dofile|loadfile)",
    "ruby": r"(?:load|require|require_relative)", "perl": r"(?:do|require)", "r": r"source", "julia": r"include",
}  # fmt: skip
_DYNAMIC = {
    "node": r"(?:\beval\s*\(|new\s+Function\s*\(|vm\.run|process\.binding|require\s*\(\s*[^\"'`\s)]|import\s*\(\s*[^\"'`\s)]|globalThis\[|global\[|process\.mainModule|(?:child_process|fs|vm|net)[\"'`]\s*\)\s*\[|\b(?:rm|rmSync|unlink\w*|exec\w*|spawn\w*|fork|writeFile\w*)\s*:\s*\w+[^}]*\}\s*=|\[\s*[\"'`][^\]\n]{0,40}\+|Reflect\.(?:get|apply)\s*\(|\batob\s*\()",
    "perl": r"(?:\beval\b\s*[^{\s]|\bdo\s+[\"'$]|\brequire\s+[\"'$]|pack\s*\(|\bsyscall\b|&\s*[\$\{]|->\s*\$\w+\s*\(|\$\w+\s*->\s*\(|\bunlink\s*(?:glob|map|grep|sort|<))", "ruby": r"(?:\beval\b|instance_eval|class_eval|\b(?:public_|__)?send(?:__)?\s*\(|\bconst_get\b|\bmethod\s*\(|\bload\b|Kernel\.|Marshal\.load|\.unpack)",
    "php": r"(?:\beval\s*\(|assert\s*\(|create_function|base64_decode|call_user_func|array_(?:map|filter|walk)\s*\(\s*[\"']|Reflection(?:Function|Method)|preg_replace\s*\(\s*[\"']/[^/]*/e|\$\w+\s*\()", "lua": r"(?:\bload\s*\(|loadstring|_G\s*\[|getfenv)", "r": r"(?:eval\s*\(\s*parse|do\.call|match\.fun)",
    "julia": r"(?:\beval\b|@eval|Meta\.parse|ccall|@ccall|include_string|invokelatest|getfield|getproperty|unsafe_|open\s*\([^)]*,\s*\"[wa+])",
}  # fmt: skip
_BARE = re.compile(r"[a-z_]\w*\s*(?:[(\[;})]|$)")  # an argument without parentheses: "unlink glob(…)", "delete f"
_PRINTS = re.compile(r"\b(?:console\.\w+|print\w*|puts|p|echo|say|stdout)\b|-[np]e")
_ALIASES = {"deno": "node", "bun": "node", "tsx": "node", "ts-node": "node", "Rscript": "r", "luajit": "lua"}


def read_calls(shell: Shell, frame: Frame, language: str, word: Word, stdin: Stream, via: str) -> Stream:
    from hitl_opa.facts.shell.code import script_file

    language = _ALIASES.get(language, language)
    text = word.text
    if language not in _RUN:
        shell.ledger.opaque("inline-code", text, via)
        shell.ledger.effect("execute", "code", "", place="unknown", via=via, traits=frame.traits, certain=frame.certain)
        return UNREAD
    origin = stdin.origin
    shell.ledger.effect("execute", "code", "", place="inline", via=via, traits=frame.traits, certain=frame.certain)
    plain = _uncommented(text, language)
    socket = bool(re.search(r"(?i)socket|net\.connect|net\.createConnection|fsockopen", plain)) and language != "r"
    for arguments in _calls(plain, _RUN[language]):
        _command(shell, frame, arguments, via, socket)
    if language in ("perl", "ruby", "php", "julia"):
        for match in re.finditer(r"`((?:[^`\\]|\\.)+)`|(?:qx|%x)\s*[\{\(/]([^\}\)/]*)[\}\)/]", plain):
            shell.script(_gaps(match[1] or match[2] or "", language), frame, UNREAD, via=via)
    if language == "perl":
        _perl_open(shell, frame, plain, via)
    if language in _OPEN:
        for arguments in _calls(plain, _OPEN[language]):
            values = _strings(arguments)
            mode = values[1] if len(values) > 1 else "r"
            shell.path(
                "write" if any(c in mode for c in "wa+") else "read",
                Word(values[0] if values else UNKNOWN),
                frame,
                via=via,
            )
    for verb, table in (("read", _READ), ("write", _WRITE), ("delete", _DELETE)):
        for arguments in _calls(plain, table[language]):
            values = _strings(arguments)
            if not arguments.strip() and not values:
                continue
            count = 2 if verb == "write" and re.match(r"\s*" + _STR + r"\s*,\s*" + _STR, arguments) else 1
            for value in values[: 1 if count == 1 else 2] or [UNKNOWN]:
                if (
                    verb == "write"
                    and count == 2
                    and value is values[-1]
                    and re.search(r"(?i)writeFile|appendFile|File\.write|put_contents|write\(", plain)
                ):
                    break
                recursive = (
                    ("recursive",)
                    if re.search(r"recursive|rm_r|rm_rf|rmtree|remove_tree", arguments + plain[:400])
                    and verb == "delete"
                    else ()
                )
                place = shell.path(verb, Word(value, "*" in value), frame, via=via, traits=recursive)
                if place in ("credentials", "env-file", "system-auth") and verb == "read":
                    origin |= {"secret"}
    for arguments in _calls(plain, _LOAD[language]):
        for value in _strings(arguments)[:1]:
            if "://" in value or value[:1] in "/~" or value[:2] in ("./", ".."):
                script_file(shell, frame.within(via), "none", Word(value), [], UNREAD, via)
    if re.search(r"process\.env\b(?!\.(?:NODE_ENV|HOME|PATH|PWD|CI)\b)|%ENV|\$_ENV|ENV\.to_h|getenv\(\)", plain):
        origin |= {"secret"} | (frame.loaded if _PRINTS.search(plain) else frozenset())
    _network(shell, frame, plain, language, via, origin)
    if re.search(_DYNAMIC[language], plain):
        shell.ledger.opaque("inline-code", text, via)
    if language == "node" and re.search(r"process\.kill|\bkill\s*\(", plain):
        shell.ledger.effect("stop", "process", "", place="unknown", via=via, traits=frame.traits)
    if re.search(
        r"\bfork\b\s*(?:while|\(\)?\s*while|\|\||;?\s*\})|while\s*\(?\s*(?:1|true)?\s*\)?\s*\{?\s*fork", plain
    ):
        shell.ledger.effect(
            "execute", "process", "fork", place="all", via=via, traits=("fork-bomb",), certain=frame.certain
        )
    if UNKNOWN in text and language in ("perl", "ruby", "php", "node") and re.match(r"\s*" + UNKNOWN, text):
        shell.ledger.opaque("dynamic-code", text, via)
    return Stream(None, origin & frozenset({"secret", "remote", "loaded"}))


def _uncommented(text: str, language: str) -> str:
    if language in {"node", "php"}:
        return (
            re.sub(r"(?m)(?<![:\"'\w])//[^\n]*$|/\*.*?\*/", "", text, flags=re.DOTALL)
            if "/*" in text or ("//" in text and "://" not in text)
            else text
        )
    return text


def _calls(text: str, names: str) -> list[str]:
    """The argument text of each call of one of ``names``, with or without parentheses."""
    out: list[str] = []
    for match in re.finditer(
        r"(?<![\w$@%])(?:[\w$]{1,64}(?:\([^()]{0,200}\))?(?:\.|::|->)){0,8}" + names + r"(?=\s*[\(\s\"'`{<]|\s+q)", text
    ):
        if len(out) >= MAX_CALLS:
            break
        rest = text[match.end() : match.end() + MAX_ARGUMENTS].lstrip()
        if rest[:1] == "(":
            out.append(_balanced(rest[1:]))
        elif rest[:1] in "\"'`{[" or rest[:1] == "q" or rest[:1] in "$@%" or _BARE.match(rest):
            out.append(re.split(r"[;\n]", rest, maxsplit=1)[0])
    return out


def _balanced(text: str) -> str:
    depth, quote, i = 1, "", 0
    while i < len(text):
        c = text[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = ""
        elif c in "\"'`":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if not depth:
                return text[:i]
        i += 1
    return text


def _strings(text: str) -> list[str]:
    out = []
    for match in _STRING.finditer(text):
        value = next((g for g in match.groups() if g is not None), "")
        value = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), value)
        if match[1] is not None or match[3] is not None:
            value = re.sub(r"\$\{[^}]*\}|#\{[^}]*\}", UNKNOWN, value)
        out.append(value)
    return out


def _gaps(text: str, language: str) -> str:
    return re.sub(r"#\{[^}]*\}|\$\{[^}]*\}", "${__}", text) if language in ("ruby", "node", "php") else text


def _command(shell: Shell, frame: Frame, arguments: str, via: str, socket: bool) -> None:
    from hitl_opa.facts.shell.code import shell_text

    values = _strings(arguments)
    head = arguments.lstrip()
    inner = frame.within(via)
    if not values or not re.match(r"[\[\(]?\s*(?:" + _STR + r"|q)", head):
        if socket:
            shell.ledger.effect(
                "execute",
                "code",
                "",
                place="remote",
                via=via,
                traits=tuple(sorted({"reverse-shell", *frame.traits})),
                certain=frame.certain,
            )
        shell.ledger.opaque("dynamic-code", arguments, via)
        shell.ledger.effect("execute", "code", "", place="unknown", via=via, traits=frame.traits, certain=frame.certain)
        return
    if socket and re.match(r"(?:/bin/)?(?:ba|z|da|k)?sh\b|cmd(?:\.exe)?\b|powershell", values[0]):
        shell.ledger.effect(
            "execute",
            "code",
            values[0],
            place="remote",
            via=via,
            traits=tuple(sorted({"reverse-shell", *frame.traits})),
            certain=frame.certain,
        )
    if len(values) > 1 and re.match(r"[\[\(]?\s*" + _STR + r"\s*,\s*(?:[\[\(]\s*)?" + _STR, head):
        shell.run([Word(v) for v in values], inner, UNREAD)
    else:
        tail = _STRING.sub("", head, count=1).lstrip()
        gap = UNKNOWN if tail[:1] in ("+", ".") else ""
        shell_text(shell, inner, Word(values[0] + gap), UNREAD, via)


def _perl_open(shell: Shell, frame: Frame, text: str, via: str) -> None:
    for match in re.finditer(r"\bopen\s*\(?\s*(?:my\s+)?[\w$]+\s*,\s*" + _STR + r"(?:\s*,\s*" + _STR + r")?", text):
        groups = match.groups()
        mode = next((g for g in groups[:7] if g is not None), "")
        name = next((g for g in groups[7:] if g is not None), None)
        if mode.startswith("|") or mode.rstrip().endswith("|"):
            shell.script((name or mode).strip("| -"), frame, UNREAD, via=via)
            continue
        target = name if name is not None else mode.lstrip("<>+ ")
        verb = "write" if ">" in mode or "+" in mode else "read"
        shell.path(verb, Word(target or UNKNOWN), frame, via=via, traits=("append",) if ">>" in mode else ())


def _network(shell: Shell, frame: Frame, text: str, language: str, via: str, origin: frozenset[str]) -> None:
    if not re.search(r"(?<![\w.])" + _NET[language] + r"\b", text) and "http://" not in text and "https://" not in text:
        return
    if not re.search(_NET[language], text):
        return
    sends = (
        bool(
            re.search(
                r"(?i)method\s*:\s*[\"'](?:post|put|patch|delete)|\.(?:post|put|patch|delete|write)\b|POST|socket|connect|CURLOPT_POST",
                text,
            )
        )
        or "secret" in origin
    )
    traits = {*frame.traits, "upload" if sends else "download", *(("secret",) if "secret" in origin and sends else ())}
    urls = re.findall(r"(?:https?|wss?|ftp)://[^\s\"'`)]+", text)
    hosts = re.findall(
        r"(?:connect|createConnection|fsockopen|TCPSocket\.\w+|Socket::INET->new|inet_aton|PeerAddr\s*=>|\$i\s*=|host\s*[:=])\s*\(?\s*(?:\d+\s*,\s*)?[\"']([\w.:-]+)[\"']",
        text,
    )
    for url in [*urls, *hosts][:16] or [UNKNOWN]:
        shell.ledger.url(
            "send" if sends else "receive", url, via=via, traits=tuple(sorted(traits)), certain=frame.certain
        )
