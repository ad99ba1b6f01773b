"""Programs that run other programs: shells, interpreters, xargs, parallel, env, sudo, su, ssh, containers."""

from __future__ import annotations

import re
import shlex

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.specials.filters import joined
from hitl_opa.facts.shell.words import Word

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def shell(call: Invocation) -> Stream:
    """sh, bash, zsh …: ``-c`` text, a script file, or stdin."""
    args, frame = call.args, call.frame
    i, wants, login, interactive, from_stdin = 0, False, False, False, False
    while i < len(args) and args[i].text[:1] in "-+" and len(args[i].text) > 1:
        text = args[i].text
        i += 1
        if text == "--":
            break
        if text[:2] == "--":
            if text in ("--rcfile", "--init-file") and i < len(args):
                code.sourced(call.shell, frame.within(call.via), args[i], [])
                i += 1
            if text in ("--help", "--version"):
                return UNREAD
            continue
        letters = text[1:]
        if text[0] == "-" and "c" in letters:
            wants = True
        if letters and letters[-1] in "oO" and i < len(args):
            i += 1
        login = login or "l" in letters
        interactive = interactive or "i" in letters
        from_stdin = from_stdin or "s" in letters
    rest = args[i:]
    inner = frame.within(call.via)
    if call.network:
        call.shell.ledger.effect("execute", "code", call.network, place="remote", via=call.via, traits=tuple(sorted({"reverse-shell", *frame.traits})), certain=frame.certain)
    if wants and rest:
        inner.positional = rest[2:]
        return code.shell_text(call.shell, inner, rest[0], call.stdin, call.via)
    if rest and not from_stdin and rest[0].text != "-":
        inner.positional = rest[1:]
        if "/dev/stdin" == rest[0].text or rest[0].text.startswith("/dev/fd/0"):
            return code.piped(call.shell, inner, "sh", call.stdin, call.via)
        if rest[0].text.startswith("/dev/fd/") and rest[0].text in call.shell.files:
            return code.piped(call.shell, inner, "sh", call.shell.files[rest[0].text], call.via)
        return code.script_file(call.shell, inner, "sh", rest[0], rest[1:], call.stdin, call.via)
    if call.network:
        return UNREAD
    if call.stdin == UNREAD:
        # no script, nothing known on stdin: an interactive shell, or one fed by whatever the caller's stdin is
        traits = tuple(sorted({"interactive", *frame.traits}))
        call.shell.ledger.effect("execute", "code", "", place="unknown", via=call.via, traits=traits, certain=frame.certain)
        call.shell.ledger.opaque("piped-code", "", call.via)
        return UNREAD
    inner.positional = rest
    return code.piped(call.shell, inner, "sh", call.stdin, call.via)


_MODULES_SAFE = frozenset(
    "json.tool pip venv http.server unittest pytest mypy ruff black isort flake8 pylint build compileall py_compile timeit cProfile pdb this site sysconfig platform ensurepip virtualenv coverage tox nox pre_commit sphinx mkdocs ipython jupyter notebook django flask uvicorn gunicorn twine wheel setuptools zipfile tarfile calendar base64 gzip uuid ast dis tokenize inspect trace doctest pydoc turtle tabnanny webbrowser smtpd smtplib ftplib telnetlib idlelib asyncio code hashlib quopri".split()
)


def interpreter(call: Invocation) -> Stream:
    """python, node, ruby, perl, php …: inline code, a module, a script file, or stdin."""
    reading, frame = call.reading, call.frame
    language = call.program.operands[0][0].place if call.program.operands else call.via
    inner = frame.within(call.via)
    if call.network:
        call.shell.ledger.effect("execute", "code", call.network, place="remote", via=call.via, traits=tuple(sorted({"reverse-shell", *frame.traits})))
    out = UNREAD
    ran = False
    in_place = [w for a, w in reading.found if a.kind == "operands"]
    del in_place
    for act, word in reading.found:
        if act.kind == "run" and word is not None and act.type == "code":
            ran = True
            out = code.inline(call.shell, inner, act.place or language, word, call.stdin, call.via)
        elif act.kind == "run" and word is not None and act.type == "module":
            return _module(call, word)
        elif act.kind == "path" and word is not None:
            call.shell.path(act.verb, word, frame, via=call.via)
        elif act.kind == "run" and word is not None:
            ran = True
            call.run(act, word)
        elif act.kind == "effect":
            ran = True
            call.shell.ledger.effect(act.verb, act.type, call.via, place=act.place, via=call.via, traits=tuple(sorted({*act.traits, *frame.traits})))
    rest = reading.rest or reading.operands
    if ran:
        for word in rest:  # perl -pe / ruby -ne: operands are files that are read, or written with -i
            if reading.role is not None:
                call.shell.path(reading.role.verb, word, frame, via=call.via)
            elif language in ("perl", "ruby", "awk") and "/" in word.text:
                call.shell.path("read", word, frame, via=call.via)
        return out
    if reading.inform:
        return UNREAD
    if rest and rest[0].text != "-":
        if rest[0].text.startswith("/dev/fd/") and rest[0].text in call.shell.files:
            return code.piped(call.shell, inner, language, call.shell.files[rest[0].text], call.via)
        if rest[0].text in ("/dev/stdin", "/proc/self/fd/0"):
            return code.piped(call.shell, inner, language, call.stdin, call.via)
        return code.script_file(call.shell, inner, language, rest[0], rest[1:], call.stdin, call.via)
    if not rest and not call.args and call.stdin == UNREAD:
        call.shell.ledger.effect("execute", "code", "", place="inline", via=call.via, traits=tuple(sorted({"interactive", *frame.traits})))
        return UNREAD
    return code.piped(call.shell, inner, language, call.stdin, call.via)


def _module(call: Invocation, word: Word) -> Stream:
    """``python -m name args``: a tool of that name if we know one, else code of the project."""
    from hitl_opa.facts.data import program

    args = call.args
    at = next((i for i, a in enumerate(args) if a.text == "-m"), -1)
    tail = args[at + 2 :] if at >= 0 else call.reading.rest
    name = word.text
    known = program("python-m:" + name) or (program(name) if name in _MODULES_SAFE or program(name) is not None else None)
    if known is not None and word.known:
        via = name
        inner = Invocation(call.shell, call.frame.within(call.via), via, known, tail, call.stdin)
        from hitl_opa.facts.shell import specials

        special = inner.reading.level.special or known.special
        if special:
            handled = specials.TABLE[special](inner)
            if handled is not None:
                return handled
        return inner.apply()
    call.execute(call.frame.traits, name)
    return UNREAD


def xargs(call: Invocation) -> Stream:
    """The command, with what comes on stdin appended (or put where ``-I`` says); unknown input stays unknown."""
    reading, frame = call.reading, call.frame
    command = reading.rest
    mark = next((w.text for a, w in reading.found if w is not None and a.kind == "effect"), "")
    mark = next((_value_of(call.args, o) for o in ("-I", "-J", "--replace") if o in reading.flags), mark) or ("{}" if reading.flags & {"-i", "--replace"} else "")
    stdin = call.stdin
    for act, word in reading.found:
        if act.kind == "path" and word is not None:
            stdin = call.shell.read(word, frame, via="xargs")
    items: list[Word]
    listed = "listing" in stdin.origin  # names that find would print, with stars for what is not known
    if stdin.text is None or (UNKNOWN in stdin.text and not listed):
        items = [Word(UNKNOWN, False, stdin.origin)]
    elif reading.flags & {"-0", "--null"} or mark or reading.flags & {"-d", "--delimiter"}:
        items = [Word(t, listed and "*" in t, stdin.origin) for t in stdin.text.split("\n") if t]
    else:
        try:
            items = [Word(t, listed and "*" in t, stdin.origin) for t in shlex.split(stdin.text)]
        except ValueError:
            items = [Word(t, listed and "*" in t, stdin.origin) for t in stdin.text.split()]
    if not command:
        return Stream(stdin.text, stdin.origin)
    inner = frame.within("xargs", *(("bulk",) if listed or stdin.text is None else ()))
    out = Stream("")
    for batch in ([[i] for i in items[:16]] if mark else [items]):
        if mark:
            argv = [w if mark not in w.text else Word(w.text.replace(mark, batch[0].text), w.glob, w.origin | batch[0].origin) for w in command]
        else:
            argv = [*command, *batch]
        out = out.plus(call.shell.run(argv, inner, UNREAD))
    return Stream(out.text, out.origin | stdin.origin)


def _value_of(args: list[Word], option: str) -> str:
    for i, word in enumerate(args):
        if word.text == option and i + 1 < len(args):
            return args[i + 1].text if option != "--replace" else "{}"
        if word.text.startswith(option) and len(word.text) > len(option):
            return word.text[len(option) :].lstrip("=")
    return ""


def parallel(call: Invocation) -> Stream:
    """GNU parallel: a command template, and after ``:::`` the arguments for it."""
    frame = call.frame
    words = call.reading.rest
    template: list[Word] = []
    lists: list[list[Word]] = []
    for word in words:
        if word.text in (":::", ":::+", "::::", "::::+"):
            lists.append([])
        elif lists:
            lists[-1].append(word)
        else:
            template.append(word)
    for act, word in call.reading.found:
        if act.kind == "effect" and word is not None:
            call.shell.ledger.host("execute", word.text, via="parallel", traits=frame.traits)
        elif act.kind == "path" and word is not None:
            call.shell.path(act.verb, word, frame, via="parallel")
    inner = frame.within("parallel")
    stdin = call.stdin
    if not lists:
        lists = [[Word(t, False, stdin.origin) for t in stdin.text.split("\n") if t]] if stdin.text is not None and UNKNOWN not in stdin.text else [[Word(UNKNOWN, False, stdin.origin)]]
    if not template:
        for item in lists[0][:16]:
            code.shell_text(call.shell, inner, item, UNREAD, "parallel")
        return UNREAD
    for index in range(min(16, max((len(entries) for entries in lists), default=0))):
        values = [entries[min(index, len(entries) - 1)] for entries in lists if entries]
        if not values:
            continue
        used = False
        argv: list[Word] = []
        for word in template:
            text = word.text
            for n, value in enumerate(values, 1):
                for mark in (f"{{{n}}}", "{}", "{.}", "{/}", "{//}", "{/.}", f"{{{n}.}}"):
                    if mark in text:
                        text, used = text.replace(mark, value.text if n == 1 or mark[1:2].isdigit() else value.text), True
            argv.append(Word(text, word.glob, word.origin))
        if not used:
            argv += values
        if "-q" in call.reading.flags or "--quote" in call.reading.flags:
            call.shell.run(argv, inner, UNREAD)
        else:  # parallel hands the joined line to a shell
            call.shell.run(argv, inner, UNREAD)
            code.shell_text(call.shell, inner, joined(argv), UNREAD, "parallel")
    return UNREAD


def env(call: Invocation) -> Stream:
    """Assignments, then a command; ``-S`` holds a command line as one string."""
    args, frame = list(call.args), call.frame.within("env")
    i = 0
    settings: dict[str, Word] = {}
    while i < len(args):
        text = args[i].text
        if text in ("-S", "--split-string") or text.startswith(("-S", "--split-string=")) or re.fullmatch(r"-[i0v]*S.*", text):
            value = text.partition("=")[2] if text.startswith("--") and "=" in text else text[text.index("S") + 1 :] if not text.startswith("--") else ""
            if not value and i + 1 < len(args):
                i += 1
                value = args[i].text
            try:
                split = shlex.split(value.replace(UNKNOWN, "?"))
            except ValueError:
                split = value.split()
            args[i : i + 1] = [Word(s, False, args[i].origin) for s in split]
            continue
        if text in ("-u", "--unset", "-P", "-C", "--chdir") and i + 1 < len(args):
            if text in ("-C", "--chdir"):
                frame.cwd = call.shell.absolute(args[i + 1].text, frame) if args[i + 1].known else UNKNOWN
            i += 2
            continue
        if text.startswith(("-C", "--chdir=")) and len(text) > 2:
            frame.cwd = call.shell.absolute(text[2:] if text[:2] != "--" else text[8:], frame)
        elif _ASSIGNMENT.match(text):
            name, _, value = text.partition("=")
            settings[name] = Word(value, False, args[i].origin)
        elif text[:1] != "-":
            break
        i += 1
    rest = args[i:]
    if rest:
        if settings:
            call.shell._runner._settings(settings, frame)
            frame.variables.update(settings)
        return call.shell.run(rest, frame, call.stdin)
    call.shell.ledger.effect("read", "system", "environment", place="info", via="env", traits=frame.traits)
    return Stream(None, frozenset({"secret"}))


def sudo(call: Invocation) -> Stream:
    """More privilege for what follows; ``-l`` and ``-v`` only ask."""
    reading, frame, shell_ = call.reading, call.frame, call.shell
    traits = tuple(sorted({"elevated", *frame.traits}))
    shell_.ledger.effect("escalate", "system", call.via, place="privilege", via=call.via, traits=traits, certain=frame.certain)
    for act, word in reading.found:
        if act.kind == "path" and word is not None:
            shell_.path(act.verb, word, frame.within(call.via, "elevated"), via=call.via)
    rest = list(reading.rest)
    inner = frame.within(call.via, "elevated")
    while rest and _ASSIGNMENT.match(rest[0].text):
        name, _, value = rest[0].text.partition("=")
        shell_._runner._settings({name: Word(value)}, inner)
        rest.pop(0)
    if not rest:
        return UNREAD
    if reading.flags & {"-i", "-s", "--login", "--shell"}:
        return code.shell_text(shell_, inner, joined(rest), call.stdin, call.via)
    return shell_.run(rest, inner, call.stdin)


def su(call: Invocation) -> Stream:
    reading, frame = call.reading, call.frame
    traits = tuple(sorted({"elevated", *frame.traits}))
    operands = [w.text for w in reading.operands if w.text != "-"]
    call.shell.ledger.effect("escalate", "system", operands[0] if operands else "root", place="privilege", via=call.via, traits=traits, certain=frame.certain)
    inner = frame.within(call.via, "elevated")
    out = UNREAD
    ran = False
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            ran = True
            out = code.shell_text(call.shell, inner, word, call.stdin, call.via)
    if not ran and call.stdin != UNREAD:
        out = code.piped(call.shell, inner, "sh", call.stdin, call.via)
    return out


def ssh(call: Invocation) -> Stream:
    """A command on another machine: the host executes it, and its effects are read as they would be here."""
    reading, frame = call.reading, call.frame
    rest = reading.rest
    for act, word in reading.found:
        if act.kind in ("path",) and word is not None:
            call.shell.path(act.verb, word, frame, via=call.via)
        elif act.kind == "run" and word is not None:
            call.run(act, word)
        elif act.kind == "effect":
            call.shell.ledger.effect(act.verb, act.type, word.text if word else "", place=act.place, via=call.via, traits=tuple(sorted({*act.traits, *frame.traits})))
    options = [a.text for a in call.args if "=" in a.text or " " in a.text]
    for text in options:
        match = re.match(r"(?:-o)?\s*(ProxyCommand|LocalCommand|KnownHostsCommand)\s*[= ]\s*(.+)", text, re.IGNORECASE | re.DOTALL)
        if match and match[2] != "none":
            call.shell.script(match[2], frame.within(call.via), via=call.via)
    if not rest:
        return UNREAD
    host = rest[0].text.split("@")[-1]
    command = rest[1:]
    marks = {*frame.traits}
    if "secret" in call.stdin.origin:
        marks |= {"secret", "upload"}
    verb = "execute" if command else "query" if not call.stdin.text and call.stdin == UNREAD else "execute"
    if reading.flags & {"-L", "-R", "-D", "-w"}:
        call.shell.ledger.effect("configure", "system", "tunnel", place="network", via=call.via, traits=frame.traits)
    call.shell.ledger.url(verb if command else "execute", host, via=call.via, traits=tuple(sorted(marks)), certain=frame.certain)
    if call.stdin.origin or call.stdin != UNREAD:
        call.shell.ledger.url("send", host, via=call.via, traits=tuple(sorted({"upload", *marks})))
    inner = frame.within(call.via)
    inner.cwd = UNKNOWN
    if command:
        code.shell_text(call.shell, inner, joined(command), call.stdin, call.via)
    elif call.stdin.text is not None:
        code.piped(call.shell, inner, "sh", call.stdin, call.via)
    return Stream(None, frozenset({"remote"}))


def container(call: Invocation) -> Stream | None:
    """docker run/exec and kin: mounts of the host count as host paths; the command inside is read, but less sure."""
    reading, frame, shell_ = call.reading, call.frame, call.shell
    words = reading.rest
    traits = tuple(sorted({*reading.traits, *frame.traits}))
    mounted: list[tuple[str, str]] = []
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            call.run(act, word)
        elif act.kind == "path" and word is not None:
            if act.verb == "execute":  # a mount: host:container[:ro]
                text = word.text
                source = text
                if "source=" in text or "src=" in text:
                    source = next((p.partition("=")[2] for p in text.split(",") if p.startswith(("source=", "src="))), "")
                    target = next((p.partition("=")[2] for p in text.split(",") if p.startswith(("target=", "dst=", "destination="))), "")
                    readonly = "readonly" in text or ",ro" in text
                else:
                    source, _, tail = text.partition(":")
                    target, _, mode = tail.partition(":")
                    readonly = "ro" in mode.split(",")
                if source[:1] in "/~." or UNKNOWN in source:
                    shell_.path("read" if readonly else "write", Word(source), frame, via=call.via, traits=traits)
                    mounted.append((target, source))
            else:
                shell_.path(act.verb, word, frame, via=call.via)
        elif act.kind == "effect":
            shell_.ledger.effect(act.verb, act.type, word.text if word else "", place=act.place, via=call.via, traits=tuple(sorted({*act.traits, *traits})))
    for act in reading.level.does:
        shell_.ledger.effect(act.verb, act.type, words[0].text if words else "", place=act.place, via=call.via, traits=tuple(sorted({*act.traits, *traits})), certain=frame.certain)
    command = words[1:]
    entry = next((w for w in [_option_value(call.args, "--entrypoint")] if w), None)
    if entry is not None and entry.text:
        command = [entry, *command]
    if command:
        inner = frame.within(call.via)
        inner.cwd = UNKNOWN
        inner.certain = frame.certain and bool(mounted)
        host_root = next((t for t, s in mounted if s in ("/", "/*")), "")
        argv = [Word(_from_host(w.text, mounted), w.glob, w.origin) for w in command]
        if host_root and command[0].text == "chroot" and len(command) > 1:
            argv = [command[0], Word("/"), *command[2:]]
        before = set(shell_.ledger._opaque)
        shell_.run(argv, inner, call.stdin)
        for key in set(shell_.ledger._opaque) - before:
            if key[0] in ("unknown-program", "variable-program"):  # what an image holds is the image's, told by the effect above
                del shell_.ledger._opaque[key]
    return UNREAD


def _from_host(text: str, mounted: list[tuple[str, str]]) -> str:
    for target, source in mounted:
        if target and target != "/":
            text = re.sub(rf"(?<![\w/.]){re.escape(target.rstrip('/'))}(?=/|\s|'|\"|;|$)", source.rstrip("/") or "", text) or "/"
    return text


def _option_value(args: list[Word], option: str) -> Word | None:
    for i, word in enumerate(args):
        if word.text == option and i + 1 < len(args):
            return args[i + 1]
        if word.text.startswith(option + "="):
            return Word(word.text[len(option) + 1 :], False, word.origin)
    return None


def kubectl_exec(call: Invocation) -> Stream:
    reading, frame = call.reading, call.frame
    words = [w for w in call.args]
    at = next((i for i, w in enumerate(words) if w.text == "--"), -1)
    command = words[at + 1 :] if at >= 0 else reading.operands[1:]
    for act in reading.level.does:
        call.shell.ledger.effect(act.verb, act.type, " ".join(w.text for w in reading.operands[:1]), place=act.place, via=call.via, traits=tuple(sorted({*act.traits, *frame.traits})))
    if command:
        inner = frame.within(call.via)
        inner.cwd = UNKNOWN
        inner.certain = False
        call.shell.run(command, inner, call.stdin)
    return UNREAD


def busybox(call: Invocation) -> Stream | None:
    if not call.args or call.args[0].text[:1] == "-":
        return None
    return call.shell.run(call.args, call.frame.within(call.via), call.stdin)


def powershell(call: Invocation) -> Stream:
    """PowerShell and cmd: text after -Command or /c is read by the cmdlets in it."""
    from hitl_opa.facts.code import read_code

    args = call.args
    inner = call.frame.within(call.via)
    for i, word in enumerate(args):
        low = word.text.lower()
        if low in ("-command", "-c", "/c", "/k", "-commandwithargs"):
            return read_code(call.shell, inner, "powershell", joined(args[i + 1 :]), call.stdin, call.via)
        if low.startswith(("-enc", "-ec", "-e")) and low not in ("-executionpolicy", "-ep", "-ex", "-exec") and i + 1 < len(args):
            return _encoded(call, args[i + 1])
        if low in ("-file", "-f") and i + 1 < len(args):
            return code.script_file(call.shell, inner, "powershell", args[i + 1], args[i + 2 :], call.stdin, call.via)
        if low in ("-executionpolicy", "-ep", "-windowstyle", "-version", "-inputformat", "-outputformat", "-configurationname"):
            continue
    operands = [w for i, w in enumerate(args) if w.text[:1] not in "-/" and not (i and args[i - 1].text.lower() in ("-executionpolicy", "-ep", "-windowstyle", "-version"))]
    if operands:
        return read_code(call.shell, inner, "powershell", joined(operands), call.stdin, call.via)
    if call.stdin.text is not None:
        return read_code(call.shell, inner, "powershell", Word(call.stdin.text, False, call.stdin.origin), UNREAD, call.via)
    return code.piped(call.shell, inner, "powershell", call.stdin, call.via) if call.stdin != UNREAD else UNREAD


def _encoded(call: Invocation, word: Word) -> Stream:
    import base64
    import binascii

    from hitl_opa.facts.code import read_code

    call.shell.ledger.opaque("decoded-code", word.text, call.via)
    call.shell.ledger.effect("execute", "code", "", place="unknown", via=call.via, traits=call.frame.traits)
    try:
        text = base64.b64decode(word.text, validate=True).decode("utf-16-le")
    except (ValueError, binascii.Error):
        return UNREAD
    return read_code(call.shell, call.frame.within(call.via), "powershell", Word(text), UNREAD, call.via)



def kubectl_get(call: Invocation) -> Stream | None:
    """Getting secrets of a cluster is reading secrets."""
    kinds = call.reading.operands[:1]
    if any(re.match(r"(?:.*,)?secrets?(?:[/,.]|$)", w.text) for w in kinds) or any(re.match(r"secrets?/", w.text) for w in call.reading.operands):
        call.shell.ledger.effect("read", "secret", " ".join(w.text for w in call.reading.operands[:3]), via=call.via, traits=call.frame.traits, certain=call.frame.certain)
    return None
