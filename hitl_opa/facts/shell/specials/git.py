"""git: options before the subcommand, and what clones, checkouts and commits do."""

from __future__ import annotations

import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.options import parse
from hitl_opa.facts.shell.specials.git_config import configured
from hitl_opa.facts.shell.words import Word


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
                configured(call, value, aliases)
            i += 2
            continue
        if text.startswith("-c") and "=" in text and text[:2] == "-c" and len(text) > 2:
            configured(call, Word(text[2:], False, args[i].origin), aliases)
        if text.startswith("--exec-path="):
            shell.runner.setting("GIT_EXEC_PATH", Word(text.partition("=")[2], False, args[i].origin), frame)
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
    if i:
        call.reading = parse(call.program, rest)
    special = call.reading.level.special
    if special and special != "git":
        from hitl_opa.facts.shell.specials import TABLE

        return TABLE[special](call)
    if name in _SHOWS:
        _shown(call)
    return None


_SHOWS = frozenset(
    {"show", "diff", "log", "blame", "annotate", "cat-file", "hash-object", "grep", "archive", "checkout-index"}
)


def _shown(call: Invocation) -> None:
    """What git shows of files that hold secrets, whichever version (``git show HEAD:.env``, ``git log -p -- .env``)."""
    for word in call.reading.operands:
        name = word.text.rpartition(":")[2] if ":" in word.text else word.text
        at = call.shell.ledger.paths.locate(name, call.frame.cwd, glob=word.glob)
        if name and (at.kept or at.place) in ("credentials", "env-file"):
            call.shell.path("read", Word(name, word.glob, word.origin), call.frame, via="git")


def _with(frame: Frame, args: list[Word]) -> Frame:
    frame.positional = args
    return frame


def setting(shell: object, frame: Frame, name: str, value: Word) -> None:
    """Environment variables that configure git or node for one run."""
    from hitl_opa.facts.shell.interpret import Shell

    if not isinstance(shell, Shell):
        return
    if name == "NODE_OPTIONS":
        if re.search(r"--(?:require|import|loader|experimental-loader|inspect)|(?:^|\s)-r\s", value.text):
            shell.ledger.effect("execute", "code", value.text, place="unknown", via=name, traits=frame.traits)
        return


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
            configured(call, word, {})
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
    if "://" in url or "@" in url:
        shell.wrote(target.text, frame, Stream(None, frozenset({"fetched"})))
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
