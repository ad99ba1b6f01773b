"""git: aliases and configuration that run commands, and what a push publishes."""

from __future__ import annotations

import fnmatch
import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation, parse
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

# Configuration whose value git runs as a command.
_RUNS = re.compile(
    r"(?i)(?:core\.(?:sshcommand|pager|editor|fsmonitor|askpass|gitproxy)|sequence\.editor|diff\.external|pager\..+|difftool\..+\.cmd|mergetool\..+\.cmd|"
    r"(?:diff|merge)\..+\.(?:textconv|command|driver)|filter\..+\.(?:clean|smudge|process)|credential(?:\..+)?\.helper|gpg(?:\..+)?\.program|"
    r"interactive\.difffilter|uploadpack\.packobjectshook|remote\..+\.(?:receivepack|uploadpack)|browser\..+\.cmd|man\..+\.cmd|sendemail\..*cmd|trailer\..+\.c(?:md|ommand)|submodule\..+\.update)\Z"
)
_HARMLESS = frozenset({"cat", "less", "more", "vi", "vim", "nano", "emacs", "code --wait", "true", "false", "store", "cache", "osxkeychain", "manager", "manager-core", "libsecret", "gh auth git-credential", "!gh auth git-credential", "", "delta", "gpg", "gpg2", "less -FRX", "vim -d", "nvim"})


def git(call: Invocation) -> Stream | None:
    """Global options: ``-C dir`` moves, ``-c name=value`` configures this one run."""
    args, frame, shell = call.args, call.frame, call.shell
    i = 0
    moved = frame
    aliases: dict[str, str] = {}
    while i < len(args) and args[i].text[:1] == "-":
        text = args[i].text
        if text in ("-C", "--git-dir", "--work-tree", "--exec-path", "--namespace", "-c", "--config-env", "--super-prefix") and i + 1 < len(args):
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
    elif name.lower() in ("core.hookspath", "include.path", "core.attributesfile"):
        call.shell.ledger.effect("execute", "code", value, place="unknown", via="git", traits=call.frame.traits)
    elif name.lower().startswith("protocol.ext.allow"):
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
    if name.startswith("GIT_CONFIG_VALUE") and value.text[:1] == "!":
        shell.script(value.text[1:], frame.within("git"), via="git")


def config(call: Invocation) -> Stream | None:
    """Reads with ``--get``, ``--list`` or one operand; otherwise writes; values that git runs are read as commands."""
    reading, shell, frame = call.reading, call.shell, call.frame
    operands = reading.operands
    reads = reading.inform or (reading.flags & {"--get", "--get-all", "--get-regexp", "--list", "-l", "--get-urlmatch", "--show-origin", "--get-color", "--get-colorbool", "--show-scope", "--name-only"})
    if operands and operands[0].text in ("list", "get", "set", "unset", "edit", "rename-section", "remove-section") and "." not in operands[0].text:
        reads = reads or operands[0].text in ("list", "get")
        if operands[0].text == "set":
            operands = operands[1:]
    writes = reading.flags & {"--unset", "--unset-all", "--add", "--replace-all", "--edit", "-e", "--remove-section", "--rename-section"}
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
            shell.ledger.effect("configure", "remote", name, place="repository", via="git", traits=tuple(sorted({"persistence", *frame.traits})))
        elif (_RUNS.match(name) and value.strip() not in _HARMLESS) or name.lower() == "core.hookspath":
            shell.ledger.effect("configure", "remote", name, place="repository", via="git", traits=tuple(sorted({"persistence", *frame.traits})))
            shell.path("write", Word(".git/hooks/config"), frame, via="git")
            if name.lower() != "core.hookspath":
                _run_value(call, value)
    return UNREAD


def push(call: Invocation) -> Stream | None:
    """What a push publishes, forces or deletes, branch by branch."""
    reading, shell, frame = call.reading, call.shell, call.frame
    operands, flags = reading.operands, reading.flags
    remote = operands[0].text if operands else "origin"
    traits = set(frame.traits)
    if flags & {"-n", "--dry-run"}:
        traits.add("dry-run")
    forced = bool(flags & {"-f", "--force"} or any(f.startswith("--force-with-lease") or f == "--force-if-includes" for f in flags))
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            call.run(act, word)
    refs: list[tuple[str, bool, bool, str]] = []  # name, deleted, forced, kind
    deleted = bool(flags & {"-d", "--delete", "--prune"})
    if flags & {"--all", "--branches", "--mirror"}:
        refs.append(("*", deleted, forced or "--mirror" in flags, "all"))
    if "--tags" in flags:
        refs.append(("tags", deleted, forced, "tag"))
    specs = operands[1:]
    for i, word in enumerate(specs):
        text = word.text
        if text == "tag" and i + 1 < len(specs):
            continue
        plus = text[:1] == "+"
        text = text.lstrip("+")
        source, colon, target = text.partition(":")
        name = target if colon else source
        gone = deleted or (bool(colon) and not source)
        kind = "tag" if name.startswith("refs/tags/") or (i and specs[i - 1].text == "tag") else "branch"
        refs.append((name.removeprefix("refs/heads/").removeprefix("refs/tags/") or source, gone, forced or plus, kind))
    if not refs:
        refs.append((_current_branch(shell, frame), deleted, forced, "branch"))
    for name, gone, force, kind in refs:
        mine = set(traits)
        known = UNKNOWN not in name and name not in ("", "HEAD", "@")
        if name in ("HEAD", "@"):
            name = _current_branch(shell, frame)
            known = bool(name)
        place = "tag" if kind == "tag" else "protected-branch" if kind == "all" or _protected(name, shell.ledger.protected_branches) else "branch" if name and UNKNOWN not in name else "unknown"
        if kind == "all":
            mine.add("all")
        if force:
            mine |= {"force", "history"}
        if gone:
            mine.add("irreversible")
        shell.ledger.effect("delete" if gone else "publish", "remote", f"{remote}/{name}".replace(UNKNOWN, "?"), place=place, via="git", traits=tuple(sorted(mine)), certain=frame.certain and known)
    if "://" in remote or "@" in remote:
        shell.ledger.url("send", _host(remote), via="git", traits=tuple(sorted({"upload", *traits})))
    return UNREAD


def _host(remote: str) -> str:
    if "://" in remote:
        return remote
    return remote.split("@", 1)[-1].split(":", 1)[0]


def _protected(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def _current_branch(shell: object, frame: Frame) -> str:
    """The branch that the repository at the current directory has checked out, ``""`` if that cannot be read."""
    if not frame.cwd or UNKNOWN in frame.cwd:
        return ""
    folder = frame.cwd
    for _ in range(8):
        text = code.read_small(folder + "/.git/HEAD")
        if text is not None:
            return text[16:].strip() if text.startswith("ref: refs/heads/") else ""
        folder = folder[: folder.rfind("/")]
        if not folder:
            return ""
    return ""


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
        shell.ledger.url("receive", _host(url), via="git", traits=tuple(sorted({"download", *traits})))
    elif UNKNOWN in url:
        shell.ledger.url("receive", url, via="git", traits=tuple(sorted({"download", *traits})))
    else:
        shell.path("read", operands[0], frame, via="git")
    target = operands[1] if len(operands) > 1 else Word(re.sub(r"\.git/?$", "", url).rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1] or ".")
    shell.path("write", target if target.text != UNKNOWN else Word("./" + UNKNOWN), frame, via="git")
    return UNREAD


def checkout(call: Invocation) -> Stream | None:
    """Switching branches is one thing; ``--``, ``.`` or a second operand throws away changes in files."""
    reading, shell, frame = call.reading, call.shell, call.frame
    flags, operands = reading.flags, reading.operands
    texts = [w.text for w in call.args]
    creates = flags & {"-b", "-B", "--orphan", "-t", "--track"}
    discards = "--" in texts and texts.index("--") < len(texts) - 1 or flags & {"-f", "--force", "--ours", "--theirs", "-p", "--patch", "--pathspec-from-file"} or (not creates and (len(operands) > 1 or any(_is_file(w) for w in operands)))
    traits = {"overwrite", "irreversible"} if discards else set()
    if "-B" in flags:
        traits |= {"force", "irreversible", "overwrite"}
    files = []
    if discards:
        files = [w for w in call.args[texts.index("--") + 1 :]] if "--" in texts else operands[-1:] if len(operands) > 1 else [w for w in operands if _is_file(w)]
    for word in files or [Word(".")]:
        shell.path("write", word, frame, via="git", traits=tuple(sorted(traits)))
    return UNREAD


def _is_file(word: Word) -> bool:
    return word.text in (".", "./", ":/", "*") or bool(re.search(r"\.\w{1,5}$", word.text)) and not re.search(r"\d+\.\d+", word.text) and "/" not in word.text[:0] or word.glob


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


def branch(call: Invocation) -> Stream | None:
    flags = call.reading.flags
    verb, traits = "read", set()
    if "-D" in flags or (flags & {"-d", "--delete"} and flags & {"-f", "--force"}):
        verb, traits = "delete", {"force", "irreversible"}
    elif flags & {"-d", "--delete"}:
        verb = "write"
    elif flags & {"-M", "-C", "-f", "--force"}:
        verb, traits = "write", {"force", "irreversible", "overwrite"}
    elif flags & {"-m", "-c", "--move", "--copy", "-u", "--set-upstream-to", "--unset-upstream", "--edit-description", "-t", "--track"}:
        verb = "write"
    elif call.reading.operands and not flags & {"-l", "--list", "-a", "-r", "--all", "--remotes", "--contains", "--merged", "--no-merged", "--show-current", "-v", "-vv", "--sort", "--format", "--points-at", "--no-contains"}:
        verb = "write"
    call.shell.path(verb, Word("." if "irreversible" in traits or verb == "read" else ".git"), call.frame, via="git", traits=tuple(sorted(traits)))
    return UNREAD


def remote(call: Invocation) -> Stream | None:
    operands, shell, frame = call.reading.operands, call.shell, call.frame
    action = operands[0].text if operands else ""
    if action in ("add", "set-url", "rename", "remove", "rm", "set-head", "set-branches"):
        shell.ledger.effect("configure", "remote", " ".join(w.text for w in operands[1:3]), place="repository", via="git", traits=frame.traits, certain=frame.certain)
    elif action in ("update", "prune", "show"):
        shell.ledger.effect("query", "remote", "origin", place="repository", via="git", traits=frame.traits)
    else:
        shell.path("read", Word("."), frame, via="git")
    return UNREAD


def tag(call: Invocation) -> Stream | None:
    flags = call.reading.flags
    if flags & {"-d", "--delete"}:
        verb, traits = "delete", ("irreversible",)
    elif call.reading.operands and not flags & {"-l", "--list", "-v", "--verify", "--contains", "--points-at", "--merged", "--sort", "-n"}:
        verb, traits = "write", (("force", "overwrite") if flags & {"-f", "--force"} else ())
    else:
        verb, traits = "read", ()
    call.shell.path(verb, Word("." if verb != "write" else ".git"), call.frame, via="git", traits=traits)
    return UNREAD
