"""git: aliases and configuration that run commands, and what a push publishes."""

from __future__ import annotations

import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.options import parse
from hitl_opa.facts.shell.words import Word

# Configuration whose value git runs as a command.
_RUNS = re.compile(
    r"(?i)(?:core\.(?:sshcommand|pager|editor|fsmonitor|askpass|gitproxy)|sequence\.editor|diff\.external|pager\..+|difftool\..+\.cmd|mergetool\..+\.cmd|"
    r"(?:diff|merge)\..+\.(?:textconv|command|driver)|filter\..+\.(?:clean|smudge|process)|credential(?:\..+)?\.helper|gpg(?:\..+)?\.program|"
    r"interactive\.difffilter|uploadpack\.packobjectshook|remote\..+\.(?:receivepack|uploadpack)|browser\..+\.cmd|man\..+\.cmd|sendemail\..*cmd|trailer\..+\.c(?:md|ommand)|submodule\..+\.update)\Z"
)
_HARMLESS = frozenset(
    {
        "cat",
        "less",
        "more",
        "vi",
        "vim",
        "nano",
        "emacs",
        "code --wait",
        "true",
        "false",
        "store",
        "cache",
        "osxkeychain",
        "manager",
        "manager-core",
        "libsecret",
        "gh auth git-credential",
        "!gh auth git-credential",
        "",
        "delta",
        "gpg",
        "gpg2",
        "less -FRX",
        "vim -d",
        "nvim",
    }
)


def git(call: Invocation) -> Stream | None:
    """Global options: ``-C dir`` moves, ``-c name=value`` configures this one run."""
    args, frame, shell = call.args, call.frame, call.shell
    i = 0
    moved = frame
    aliases: dict[str, str] = {}
    while i < len(args) and args[i].text[:1] == "-":
        text = args[i].text
        if text in (
            "-C",
            "--git-dir",
            "--work-tree",
            "--exec-path",
            "--namespace",
            "-c",
            "--config-env",
            "--super-prefix",
        ) and i + 1 < len(args):
            value = args[i + 1]
            if text == "-C":
                moved = moved.copy()
                moved.cwd = shell.absolute(value.text, moved) if value.known else UNKNOWN
            elif text == "-c":
                _configured(call, value, aliases)
            i += 2
            continue
        if text.startswith("-c") and "=" in text and text[:2] == "-c" and len(text) > 2:
            _configured(call, Word(text[2:], False, args[i].origin), aliases)
        i += 1
    rest = args[i:]
    if not rest:
        return UNREAD if args else None
    name = rest[0].text
    if name in aliases:
        text = aliases[name]
        inner = moved.within("git")
        if text[:1] == "!":
            inner.positional = rest[1:]
            return code.shell_text(shell, inner, Word(text[1:] + ' "$@"'), call.stdin, "git")
        return shell.script("git " + text + ' "$@"', _with(inner, rest[1:]), call.stdin, via="git")
    call.frame = moved
    call.args = rest
    call.reading = parse(call.program, rest)
    special = call.reading.level.special
    if special and special != "git":
        from hitl_opa.facts.shell.specials import TABLE

        return TABLE[special](call)
    return None


def _with(frame: Frame, args: list[Word]) -> Frame:
    frame.positional = args
    return frame


def _configured(call: Invocation, word: Word, aliases: dict[str, str]) -> None:
    name, _, value = word.text.partition("=")
    if name.lower().startswith("alias."):
        aliases[name[6:]] = value
    elif _RUNS.match(name) and value.strip() not in _HARMLESS and UNKNOWN not in name:
        _run_value(call, value)
    elif name.lower() in ("core.hookspath", "include.path", "core.attributesfile") or name.lower().startswith(
        "protocol.ext.allow"
    ):
        call.shell.ledger.effect("execute", "code", value, place="unknown", via="git", traits=call.frame.traits)


def _run_value(call: Invocation, value: str) -> None:
    text = value[1:] if value[:1] == "!" else value
    if "credential" in value and value[:1] != "!":
        return
    call.shell.script(text, call.frame.within("git"), via="git")


def setting(shell: object, frame: Frame, name: str, value: Word) -> None:
    """Environment variables that configure git or node for one run."""
    from hitl_opa.facts.shell.interpret import Shell

    if not isinstance(shell, Shell):
        return
    if name == "NODE_OPTIONS":
        if re.search(r"--(?:require|import|loader|experimental-loader|inspect)|(?:^|\s)-r\s", value.text):
            shell.ledger.effect("execute", "code", value.text, place="unknown", via=name, traits=frame.traits)
        return


def config(call: Invocation) -> Stream | None:
    """Reads with ``--get``, ``--list`` or one operand; otherwise writes; values that git runs are read as commands."""
    reading, shell, frame = call.reading, call.shell, call.frame
    operands = reading.operands
    reads = reading.inform or bool(
        reading.flags
        & {
            "--get",
            "--get-all",
            "--get-regexp",
            "--list",
            "-l",
            "--get-urlmatch",
            "--show-origin",
            "--get-color",
            "--get-colorbool",
            "--show-scope",
            "--name-only",
        }
    )
    if (
        operands
        and operands[0].text in ("list", "get", "set", "unset", "edit", "rename-section", "remove-section")
        and "." not in operands[0].text
    ):
        reads = reads or operands[0].text in ("list", "get")
        if operands[0].text == "set":
            operands = operands[1:]
    writes = reading.flags & {
        "--unset",
        "--unset-all",
        "--add",
        "--replace-all",
        "--edit",
        "-e",
        "--remove-section",
        "--rename-section",
    }
    if reads or (len(operands) <= 1 and not writes):
        shell.path("read", Word("."), frame, via="git")
        return UNREAD
    shared = reading.flags & {"--global", "--system"}
    target = Word("~/.gitconfig" if "--global" in shared else "/etc/gitconfig") if shared else Word(".git")
    shell.path("write", target, frame, via="git", traits=tuple(sorted({"append"} if not shared else set())))
    if len(operands) >= 2:
        name, value = operands[0].text, operands[1].text
        if name.lower().startswith("alias.") and value[:1] == "!":
            shell.script(value[1:], frame.within("git", certain=False), via="git")
            shell.ledger.effect(
                "configure",
                "remote",
                name,
                place="repository",
                via="git",
                traits=tuple(sorted({"persistence", *frame.traits})),
            )
        elif (_RUNS.match(name) and value.strip() not in _HARMLESS) or name.lower() == "core.hookspath":
            shell.ledger.effect(
                "configure",
                "remote",
                name,
                place="repository",
                via="git",
                traits=tuple(sorted({"persistence", *frame.traits})),
            )
            shell.path("write", Word(".git/hooks/config"), frame, via="git")
            if name.lower() != "core.hookspath":
                _run_value(call, value)
    return UNREAD


def host_of(remote: str) -> str:
    if "://" in remote:
        return remote
    return remote.split("@", 1)[-1].split(":", 1)[0]


def clone(call: Invocation) -> Stream | None:
    operands, shell, frame = call.reading.operands, call.shell, call.frame
    traits = frame.traits
    for act, word in call.reading.found:
        if act.kind == "run" and word is not None:
            call.run(act, word)
        elif act.kind == "effect" and word is not None and act.type == "code":
            _configured(call, word, {})
    if not operands:
        return UNREAD
    url = operands[0].text
    if url.startswith("ext::"):
        shell.script(url[5:], frame.within("git"), via="git")
        return UNREAD
    if "://" in url or re.match(r"[\w.-]+@[\w.-]+:", url):
        shell.ledger.url("receive", host_of(url), via="git", traits=tuple(sorted({"download", *traits})))
    elif UNKNOWN in url:
        shell.ledger.url("receive", url, via="git", traits=tuple(sorted({"download", *traits})))
    else:
        shell.path("read", operands[0], frame, via="git")
    target = (
        operands[1]
        if len(operands) > 1
        else Word(re.sub(r"\.git/?$", "", url).rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1] or ".")
    )
    shell.path("write", target if target.text != UNKNOWN else Word("./" + UNKNOWN), frame, via="git")
    return UNREAD


def checkout(call: Invocation) -> Stream | None:
    """Switching branches is one thing; ``--``, ``.`` or a second operand throws away changes in files."""
    reading, shell, frame = call.reading, call.shell, call.frame
    flags, operands = reading.flags, reading.operands
    texts = [w.text for w in call.args]
    creates = flags & {"-b", "-B", "--orphan", "-t", "--track"}
    discards = (
        ("--" in texts and texts.index("--") < len(texts) - 1)
        or flags & {"-f", "--force", "--ours", "--theirs", "-p", "--patch", "--pathspec-from-file"}
        or (not creates and (len(operands) > 1 or any(_is_file(w) for w in operands)))
    )
    traits = {"overwrite", "irreversible"} if discards else set()
    if "-B" in flags:
        traits |= {"force", "irreversible", "overwrite"}
    files = []
    if discards:
        files = (
            list(call.args[texts.index("--") + 1 :])
            if "--" in texts
            else operands[-1:]
            if len(operands) > 1
            else [w for w in operands if _is_file(w)]
        )
    for word in files or [Word(".")]:
        shell.path("write", word, frame, via="git", traits=tuple(sorted(traits)))
    return UNREAD


def _is_file(word: Word) -> bool:
    return (
        word.text in (".", "./", ":/", "*")
        or (
            bool(re.search(r"\.\w{1,5}$", word.text))
            and not re.search(r"\d+\.\d+", word.text)
            and "/" not in word.text[:0]
        )
        or word.glob
    )


def commit(call: Invocation) -> Stream | None:
    reading = call.reading
    traits = set()
    if reading.flags & {"-n", "--no-verify"}:
        traits.add("force")
    for act, word in reading.found:
        if act.kind == "path" and word is not None:
            call.shell.path(act.verb, word, call.frame, via="git")
    if reading.flags & {"--dry-run"}:
        traits.add("dry-run")
    call.shell.path("write", Word(".git"), call.frame, via="git", traits=tuple(sorted(traits)))
    return UNREAD
