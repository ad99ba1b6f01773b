"""make and package scripts: the recipe is read where the file is there."""

from __future__ import annotations

import re

from hitl_opa.facts import names
from hitl_opa.facts.data import load, program
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

MAX_TARGETS = 40


def make(call: Invocation) -> Stream:
    """Executes the workspace's recipes; those of the wanted targets, and of what they need, are read."""
    reading, shell, frame = call.reading, call.shell, call.frame
    inner = frame.within("make")
    directory = _value(call.args, ("-C", "--directory"))
    if directory is not None:
        inner.cwd = shell.absolute(directory.text, frame) if directory.known else UNKNOWN
    makefile = _value(call.args, ("-f", "--file", "--makefile"))
    dry = bool(
        reading.flags & {"-n", "--just-print", "--dry-run", "--recon", "-q", "--question", "-p", "--print-data-base"}
    )
    settings = {w.text.partition("=")[0]: w.text.partition("=")[2] for w in reading.operands if "=" in w.text}
    targets = [w.text for w in reading.operands if "=" not in w.text]
    for title, value in settings.items():
        shell.runner.setting(title, Word(value), inner)
        if title in load().places.variables and _COMMANDS.search(value):
            shell.script(value, inner, via="make")  # stands where a recipe has the program
    if "SHELL" in settings:
        shell.run([Word(settings["SHELL"]), Word("-c"), Word(":")], inner, UNREAD)
    evaluated = _value(call.args, ("--eval",))
    if evaluated is not None:
        _recipes(call, inner, evaluated.text, targets, settings, certain=True)
    if makefile is not None and makefile.text in ("-", "/dev/stdin"):
        code.marks_origin(shell, inner, call.stdin.origin, call.stdin.text or "", "make")
        if call.stdin.text is None:
            return code.piped(shell, inner, "make", call.stdin, "make")
        _recipes(call, inner, call.stdin.text, targets, settings, certain=True)
        return UNREAD
    if not dry:
        _installs(call, inner, targets, settings)
    kept, call.frame = call.frame, inner
    call.execute(tuple(sorted({*frame.traits, *(("dry-run",) if dry else ())})), " ".join(targets) or "all")
    call.frame = kept
    name = makefile.text if makefile is not None else ""
    for candidate in [name] if name else ["GNUmakefile", "makefile", "Makefile"]:
        path = shell.absolute(candidate, inner) if UNKNOWN not in candidate and UNKNOWN not in inner.cwd else ""
        written = shell.files.get(path)
        if written is not None and written.text is not None:
            _recipes(call, inner, written.text, targets, settings, certain=True)
            break
        at = shell.ledger.paths.locate(candidate, inner.cwd) if path else None
        text = code.read_small(at.real) if at is not None and at.inside else None
        if text is not None:
            _recipes(call, inner, text, targets, settings, certain=False)
            break
    if name and not dry:
        at = shell.ledger.paths.locate(name, inner.cwd)
        if at.place in ("temp", "unknown"):
            shell.ledger.effect("execute", "code", name, place="unknown", via="make", traits=frame.traits)
    return UNREAD


def _value(args: list[Word], names: tuple[str, ...]) -> Word | None:
    for i, word in enumerate(args):
        if word.text in names and i + 1 < len(args):
            return args[i + 1]
        for name in names:
            if word.text.startswith(name + "=") or (
                len(name) == 2 and word.text.startswith(name) and len(word.text) > 2
            ):
                return Word(word.text[len(name) :].lstrip("="), word.glob, word.origin)
    return None


def _recipes(
    call: Invocation, frame: Frame, text: str, targets: list[str], settings: dict[str, str], *, certain: bool
) -> None:
    """Reads a makefile roughly: assignments, rules, recipes; what needs functions of make stays unknown."""
    rules: dict[str, tuple[list[str], list[str]]] = {}
    variables = dict(settings)
    current: list[str] = []
    for line in text.replace("\\\n", " ").split("\n")[:4000]:
        if line[:1] == "\t":
            for name in current:
                rules[name][1].append(line[1:])
            continue
        assignment = re.match(r"(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:\+|:{0,3}|\?|!)=\s*(.*)", line)
        if assignment:
            variables.setdefault(assignment[1], assignment[2])
            continue
        rule = re.match(r"([^#\t=:][^=:]*):{1,2}(?!=)\s*([^=;]*)(?:;\s*(.*))?$", line)
        if rule:
            current = rule[1].split()
            for name in current:
                entry = rules.setdefault(name, ([], []))
                entry[0].extend(rule[2].split("|")[0].split())
                if rule[3]:
                    entry[1].append(rule[3])
        elif line.strip() and line[:1] != "#":
            current = []
    wanted = list(targets) or [name for name in rules if name[:1] != "."][:1]
    seen: set[str] = set()
    inner = frame.copy()
    inner.certain = frame.certain and certain
    while wanted and len(seen) < MAX_TARGETS:
        name = wanted.pop(0)
        if name in seen:
            continue
        seen.add(name)
        needs, lines = rules.get(name, ([], []))
        wanted += needs
        for line in lines[:100]:
            body = _expand(line.lstrip("@-+ "), variables, name, needs)
            if body.strip():
                call.shell.script(body, inner.copy(), via="make")


def _expand(text: str, variables: dict[str, str], target: str, needs: list[str], depth: int = 0) -> str:
    if depth > 6:
        return text

    def value(m: re.Match[str]) -> str:
        whole = m[0]
        if whole == "$$":
            return "\ue024"
        name = m[1] or m[2] or m[3] or ""
        if name == "@":
            return target
        if name in ("<", "^", "?", "+"):
            return " ".join(needs[:1] if name == "<" else needs)
        if name in variables:
            return _expand(variables[name], variables, target, needs, depth + 1)
        if name.startswith("shell "):
            return "\ue024(" + name[6:] + ")"
        return "\ue024{" + name + "}" if re.fullmatch(r"\w+", name) else "\ue024{__}"

    out = re.sub(r"\$(?:\$|\(([^()]*(?:\([^()]*\)[^()]*)*)\)|\{([^{}]*)\}|([@<^?+*]))", value, text)
    return out.replace("\ue024", "$") if depth == 0 else out


def tasks(call: Invocation) -> None:
    """gradle, sbt: the project's code runs, and a task's name says that it publishes (``:lib:publishToSonatype``)."""
    for word in call.reading.operands:
        words = names.parts(word.text.rpartition(":")[2])
        if words[:1] == ("ci",):
            words = words[1:]  # "ci-release"
        then = words[words.index("and") + 1 :] if "and" in words else ()
        if {*words[:1], *then[:1]} & _PUBLISHING and not {"local", "m2"} & {*words}:
            call.shell.ledger.effect(
                "publish", "remote", word.text, place="registry", via=call.via, traits=call.frame.traits
            )


def workspaces(call: Invocation) -> Stream | None:
    """``yarn workspaces foreach CMD`` and ``yarn workspace NAME CMD``: a command of the package manager's own."""
    words = call.reading.rest
    while words and (words[0].text == "foreach" or words[0].text[:1] == "-"):
        words = words[1:]
    if words and call.reading.subs[-1:] == ["workspace"]:
        words = words[1:]
    if not words or words[0].text in ("list", "info", "focus", "ls"):
        return npm_run(call)
    return call.shell.run([Word(call.via), *words], call.frame.within(call.via), call.stdin)


def _installs(call: Invocation, frame: Frame, targets: list[str], settings: dict[str, str]) -> None:
    """``make install PREFIX=/usr/local`` says where it installs to."""
    if any(target.startswith(("install", "uninstall")) for target in targets):
        for name in ("DESTDIR", "PREFIX", "prefix", "bindir", "BINDIR", "libdir", "exec_prefix", "INSTALL_ROOT"):
            if settings.get(name):
                call.shell.path("write", Word(settings[name]), frame, via="make", traits=("recursive",))
                return


_TOOLS = {
    "rm": "rm", "remove": "rm", "remove_directory": "rm -r", "copy": "cp", "copy_if_different": "cp", "rename": "mv",
    "copy_directory": "cp -r", "copy_directory_if_different": "cp -r", "make_directory": "mkdir", "touch": "touch",
    "touch_nocreate": "touch", "cat": "cat", "env": "env", "time": "time", "create_symlink": "ln -s", "tar": "tar",
    "create_hardlink": "ln", "echo": "echo", "md5sum": "md5sum", "compare_files": "cmp",
}  # fmt: skip


def cmake(call: Invocation) -> Stream | None:
    """``cmake -E``: what the shell's own tools do, under other names."""
    words = call.args[1:]
    if not words or call.args[0].text != "-E":
        return None
    frame = call.frame.within("cmake")
    if words[0].text == "chdir" and len(words) > 2:
        frame.cwd = call.shell.absolute(words[1].text, frame) if words[1].known else UNKNOWN
        return call.shell.run(words[2:], frame, call.stdin)
    tool = _TOOLS.get(words[0].text)
    return call.shell.run([*map(Word, tool.split()), *words[1:]], frame, call.stdin) if tool else None


def npm(call: Invocation) -> Stream | None:
    """``pnpm tool`` and ``yarn tool``: what is no command of theirs is a package's program, as with ``npx``."""
    name = call.reading.unknown_sub
    at = next((i for i, word in enumerate(call.args) if word.text == name), -1)
    if call.reading.subs == ["pkg", "set"]:
        for word in call.args:
            field, _, script = word.text.partition("=")
            if field.startswith("scripts."):
                call.shell.script(script.replace(UNKNOWN, "${__}"), call.frame.within("npm", certain=False), via="npm")
    if not name or at < 0 or call.via == "npm":
        return None
    return (
        npx(Invocation(call.shell, call.frame, "npx", found, call.args[at:], call.stdin))
        if (found := program("npx"))
        else None
    )


def npx(call: Invocation) -> Stream:
    """``npx tool args``: a package's program runs, the project's own where it is installed; a tool that we know does
    what it does."""
    reading, shell, frame = call.reading, call.shell, call.frame
    if any(act.kind == "run" for act, _ in reading.found):
        return call.apply()
    words = reading.rest or reading.operands
    if not words:
        return UNREAD
    named = _value(call.args, ("-p", "--package"))
    package = named or words[0]
    name = _PACKAGE.sub("", words[0].text)
    if _ELSEWHERE.search(package.text):
        place = "remote"
    elif not words[0].known or (words[0].text[:1] in "./" and "/" in words[0].text):
        return shell.run(words, frame.within(call.via), call.stdin)
    else:
        place = "package"
    _fetched(call, package, place)
    found = program(name) or program(name.rpartition("/")[2])
    if found is None or found.special in _CARRIERS:
        behind = [i for i, word in enumerate(words) if word.text == "--"][:1]
        if behind and (rest := words[behind[0] + 1 :]) and program(rest[0].text):  # a command that it runs
            return shell.run(rest, frame.within(call.via), call.stdin)
        return UNREAD
    return shell.run(
        [Word(name if program(name) else name.rpartition("/")[2]), *words[1:]], frame.within(call.via), call.stdin
    )


def go_run(call: Invocation) -> Stream:
    """``go run`` and ``go install``: the project's code, or a module's that is fetched first."""
    names = [w for w in call.reading.rest or call.reading.operands if w.text[:1] != "-"]
    if names and ("@" in names[0].text or _MODULE.match(names[0].text)):
        _fetched(call, names[0], "remote")
        return UNREAD
    if names and names[0].text[:1] in "/~.":
        return code.script_file(call.shell, call.frame.within("go"), "go", names[0], names[1:], call.stdin, "go")
    return call.apply()


def nix_run(call: Invocation) -> Stream:
    """``nix run``: the flake of this directory, of nixpkgs, or of anybody."""
    names = call.reading.rest or call.reading.operands
    if names and ":" in names[0].text and names[0].text.partition(":")[0] not in ("path", "nixpkgs"):
        _fetched(call, names[0], "remote")
        return UNREAD
    return call.apply()


def _fetched(call: Invocation, word: Word, place: str) -> None:
    call.shell.ledger.effect(
        "execute", "code", word.text, place=place, via=call.via, traits=call.frame.traits, certain=call.frame.certain
    )


_PUBLISHING = frozenset({"publish", "upload", "release", "deploy", "push", "promote", "sonatype"})
_COMMANDS = re.compile(r"[;&|`\n]|\$\(")
_MODULE = re.compile(r"^[\w-]+(?:\.[\w-]+)+/")
_PACKAGE = re.compile(r"(?<=.)@[\w.^~*<>=-]*$")  # the version after a package's name
_ELSEWHERE = re.compile(r"://|^git@|^(?:github|gitlab|bitbucket|gist):|^[\w.-]+/[\w.-]+(?:#.*)?$")
_CARRIERS = frozenset({"npm-run"})


def npm_run(call: Invocation) -> Stream:
    """``npm run x``: the script is read from package.json where that is there."""
    import msgspec

    reading, shell, frame = call.reading, call.shell, call.frame
    words = reading.rest or reading.operands
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            call.run(act, word)  # the shell that scripts get
    names = [w.text for w in words]
    if not names and reading.subs[-1:] and reading.subs[-1] in ("run", "run-script"):
        shell.path("read", Word("package.json"), frame, via=call.via)  # lists the scripts
        return UNREAD
    name = names[0] if names else reading.subs[-1] if reading.subs else "start"
    call.execute(frame.traits, name)
    directory = _value(call.args, ("--prefix", "-C", "--cwd", "--dir"))
    base = shell.absolute(directory.text, frame) if directory is not None and directory.known else frame.cwd
    if not base or UNKNOWN in base:
        return UNREAD
    at = shell.ledger.paths.locate("package.json", base)
    written = shell.files.get(shell.absolute("package.json", frame))
    text = written.text if written is not None else code.read_small(at.real) if at.inside else None
    if text is None:
        return UNREAD
    try:
        scripts = msgspec.json.decode(text.encode(), type=dict[str, msgspec.Raw]).get("scripts")
        table = msgspec.json.decode(scripts, type=dict[str, str]) if scripts is not None else {}
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return UNREAD
    inner = frame.within(call.via, certain=written is not None)
    inner.cwd = base
    inner.calls = (*frame.calls, "npm:" + name)
    if "npm:" + name not in frame.calls:
        for script in (f"pre{name}", name, f"post{name}"):
            if script in table:
                shell.script(table[script], inner, via=call.via)
    return UNREAD
