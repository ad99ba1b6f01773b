"""Programs that run other programs: shells, interpreters, xargs, parallel, env, sudo, su, ssh, containers."""

from __future__ import annotations

from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.specials.filters import joined
from hitl_opa.facts.shell.words import Word


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
                code.sourced(call.shell, frame.within(call.via), args[i])
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
        call.shell.ledger.effect(
            "execute",
            "code",
            call.network,
            place="remote",
            via=call.via,
            traits=tuple(sorted({"reverse-shell", *frame.traits})),
            certain=frame.certain,
        )
    if wants and rest:
        inner.positional = rest[2:]
        if len(rest) > 1:
            inner.title = rest[1].text
        return code.shell_text(call.shell, inner, rest[0], call.stdin, call.via)
    if rest and not from_stdin and rest[0].text != "-":
        inner.positional = rest[1:]
        if rest[0].text == "/dev/stdin" or rest[0].text.startswith("/dev/fd/0"):
            return code.piped(call.shell, inner, "sh", call.stdin, call.via)
        if rest[0].text.startswith("/dev/fd/") and rest[0].text in call.shell.files:
            return code.piped(call.shell, inner, "sh", call.shell.files[rest[0].text], call.via)
        return code.script_file(call.shell, inner, "sh", rest[0], rest[1:], call.stdin, call.via)
    if call.network:
        return UNREAD
    if call.stdin == UNREAD:
        # no script, nothing known on stdin: an interactive shell, or one fed by whatever the caller's stdin is
        traits = tuple(sorted({"interactive", *frame.traits}))
        call.shell.ledger.effect(
            "execute", "code", "", place="unknown", via=call.via, traits=traits, certain=frame.certain
        )
        call.shell.ledger.opaque("piped-code", "", call.via)
        return UNREAD
    inner.positional = rest
    return code.piped(call.shell, inner, "sh", call.stdin, call.via)


_MODULES_SAFE = frozenset(
    [
        "json.tool",
        "pip",
        "venv",
        "http.server",
        "unittest",
        "pytest",
        "mypy",
        "ruff",
        "black",
        "isort",
        "flake8",
        "pylint",
        "build",
        "compileall",
        "py_compile",
        "timeit",
        "cProfile",
        "pdb",
        "this",
        "site",
        "sysconfig",
        "platform",
        "ensurepip",
        "virtualenv",
        "coverage",
        "tox",
        "nox",
        "pre_commit",
        "sphinx",
        "mkdocs",
        "ipython",
        "jupyter",
        "notebook",
        "django",
        "flask",
        "uvicorn",
        "gunicorn",
        "twine",
        "wheel",
        "setuptools",
        "zipfile",
        "tarfile",
        "calendar",
        "base64",
        "gzip",
        "uuid",
        "ast",
        "dis",
        "tokenize",
        "inspect",
        "trace",
        "doctest",
        "pydoc",
        "turtle",
        "tabnanny",
        "webbrowser",
        "smtpd",
        "smtplib",
        "ftplib",
        "telnetlib",
        "idlelib",
        "asyncio",
        "code",
        "hashlib",
        "quopri",
    ]
)


def interpreter(call: Invocation) -> Stream:
    """python, node, ruby, perl, php …: inline code, a module, a script file, or stdin."""
    reading, frame = call.reading, call.frame
    language = call.program.operands[0][0].place if call.program.operands else call.via
    inner = frame.within(call.via)
    if call.network:
        call.shell.ledger.effect(
            "execute",
            "code",
            call.network,
            place="remote",
            via=call.via,
            traits=tuple(sorted({"reverse-shell", *frame.traits})),
        )
    out = UNREAD
    ran = False
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
            call.shell.ledger.effect(
                act.verb,
                act.type,
                call.via,
                place=act.place,
                via=call.via,
                traits=tuple(sorted({*act.traits, *frame.traits})),
            )
    rest = reading.rest or reading.operands
    if ran:
        for word in rest:  # perl -pe / ruby -ne: operands are files that are read, or written with -i
            if reading.role is not None:
                call.shell.path(reading.role.verb, word, frame, via=call.via)
            elif language in ("perl", "ruby", "awk"):
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
        call.shell.ledger.effect(
            "execute", "code", "", place="inline", via=call.via, traits=tuple(sorted({"interactive", *frame.traits}))
        )
        return UNREAD
    return code.piped(call.shell, inner, language, call.stdin, call.via)


def editor(call: Invocation) -> Stream:
    """Editors: files, and commands of theirs behind ``+``."""
    for word in call.reading.operands:
        if word.text[:1] == "+" and not word.text[1:].isdigit() and word.text[1:2] not in ("/", ""):
            code.inline(call.shell, call.frame.within(call.via), "editor", Word(word.text[1:]), UNREAD, call.via)
    call.reading.operands = [w for w in call.reading.operands if w.text[:1] != "+"]
    return call.apply()


def debugger(call: Invocation) -> Stream:
    """gdb and lldb: a program to look into, and commands from options or from stdin."""
    out = call.apply()
    if call.stdin is not UNREAD:
        code.piped(call.shell, call.frame.within(call.via), "gdb", call.stdin, call.via)
    return out


def _module(call: Invocation, word: Word) -> Stream:
    """``python -m name args``: a tool of that name if we know one, else code of the project."""
    from hitl_opa.facts.data import program

    args = call.args
    at = next((i for i, a in enumerate(args) if a.text == "-m"), -1)
    tail = args[at + 2 :] if at >= 0 else call.reading.rest
    name = word.text
    if name.partition(".")[0] == "hitl_opa":  # the guard's own; what is no command of it is not known
        words = tail if name in ("hitl_opa", "hitl_opa.cli") else [word, *tail]
        return call.shell.run([Word("hitl-opa"), *words], call.frame.within(call.via), call.stdin)
    known = program("python-m:" + name) or (
        program(name) if name in _MODULES_SAFE or program(name) is not None else None
    )
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
        if (
            low.startswith(("-enc", "-ec", "-e"))
            and low not in ("-executionpolicy", "-ep", "-ex", "-exec")
            and i + 1 < len(args)
        ):
            return _encoded(call, args[i + 1])
        if low in ("-file", "-f") and i + 1 < len(args):
            return code.script_file(call.shell, inner, "powershell", args[i + 1], args[i + 2 :], call.stdin, call.via)
        if low in (
            "-executionpolicy",
            "-ep",
            "-windowstyle",
            "-version",
            "-inputformat",
            "-outputformat",
            "-configurationname",
        ):
            continue
    operands = [
        w
        for i, w in enumerate(args)
        if w.text[:1] not in "-/"
        and not (i and args[i - 1].text.lower() in ("-executionpolicy", "-ep", "-windowstyle", "-version"))
    ]
    if operands:
        return read_code(call.shell, inner, "powershell", joined(operands), call.stdin, call.via)
    if call.stdin.text is not None:
        return read_code(
            call.shell, inner, "powershell", Word(call.stdin.text, False, call.stdin.origin), UNREAD, call.via
        )
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
