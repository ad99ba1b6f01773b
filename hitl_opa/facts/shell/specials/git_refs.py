"""git: branches, tags and remotes, and what a push publishes."""

from __future__ import annotations

import fnmatch
import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.specials.git import host_of
from hitl_opa.facts.shell.words import Word

_TAGS = ".git/refs/tags"
_VERSION = re.compile(r"v?\d+(?:\.\d+)*(?:[-+.]?(?:alpha|beta|rc|dev|pre)[-.]?\d*)?")  # how releases are tagged


def push(call: Invocation) -> Stream | None:
    """What a push publishes, forces or deletes, branch by branch."""
    reading, shell, frame = call.reading, call.shell, call.frame
    operands, flags = reading.operands, reading.flags
    remote = operands[0].text if operands else "origin"
    traits = set(frame.traits)
    tries = "dry-run" in reading.traits
    if tries:
        traits.add("dry-run")
    forced = bool(
        flags & {"-f", "--force"}
        or any(f.startswith("--force-with-lease") or f == "--force-if-includes" for f in flags)
    )
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
        refs.append((_current_branch(frame), deleted, forced, "branch"))
    here = _current_branch(frame) if any(r[0] in ("HEAD", "@") for r in refs) else ""
    for ref, gone, force, kind in refs:
        name = here if ref in ("HEAD", "@") else ref
        mine = set(traits)
        known = UNKNOWN not in name and name != ""
        place = (
            "tag"
            if kind == "tag" or _VERSION.fullmatch(name) or f"{frame.cwd}/{_TAGS}/{name}" in shell.files
            else "protected-branch"
            if kind == "all" or _protected(name, shell.ledger.protected_branches)
            else "branch"
            if name and UNKNOWN not in name
            else "unknown"
        )
        if kind == "all":
            mine.add("all")
        if force:
            mine |= {"force", "history"}
        if gone:
            mine.add("irreversible")
        shell.ledger.effect(
            "query" if tries else "delete" if gone else "publish",
            "remote",
            f"{remote}/{name}".replace(UNKNOWN, "?"),
            place=place,
            via="git",
            traits=tuple(sorted(mine)),
            certain=frame.certain and known,
        )
    if "://" in remote or "@" in remote:
        secret = operands[0].origin & {"secret", "leak"}  # a name made of a secret says it
        shell.ledger.url(
            "query" if tries and not secret else "send",
            host_of(remote),
            via="git",
            traits=tuple(sorted({"upload", *traits})),
        )
    return UNREAD


def _protected(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def _current_branch(frame: Frame) -> str:
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


def branch(call: Invocation) -> Stream | None:
    flags = call.reading.flags
    verb = "read"
    traits: set[str] = set()
    if "-D" in flags or (flags & {"-d", "--delete"} and flags & {"-f", "--force"}):
        verb, traits = "delete", {"force", "irreversible"}
    elif flags & {"-d", "--delete"}:
        verb = "write"
    elif flags & {"-M", "-C", "-f", "--force"}:
        verb, traits = "write", {"force", "irreversible", "overwrite"}
    elif flags & {
        "-m",
        "-c",
        "--move",
        "--copy",
        "-u",
        "--set-upstream-to",
        "--unset-upstream",
        "--edit-description",
        "-t",
        "--track",
    } or (
        call.reading.operands
        and not flags
        & {
            "-l",
            "--list",
            "-a",
            "-r",
            "--all",
            "--remotes",
            "--contains",
            "--merged",
            "--no-merged",
            "--show-current",
            "-v",
            "-vv",
            "--sort",
            "--format",
            "--points-at",
            "--no-contains",
        }
    ):
        verb = "write"
    call.shell.path(
        verb,
        Word("." if "irreversible" in traits or verb == "read" else ".git"),
        call.frame,
        via="git",
        traits=tuple(sorted(traits)),
    )
    return UNREAD


def remote(call: Invocation) -> Stream | None:
    operands, shell, frame = call.reading.operands, call.shell, call.frame
    action = operands[0].text if operands else ""
    if action in ("add", "set-url", "rename", "remove", "rm", "set-head", "set-branches"):
        shell.ledger.effect(
            "configure",
            "remote",
            " ".join(w.text for w in operands[1:3]),
            place="repository",
            via="git",
            traits=frame.traits,
            certain=frame.certain,
        )
    elif action in ("update", "prune", "show"):
        shell.ledger.effect("query", "remote", "origin", place="repository", via="git", traits=frame.traits)
    else:
        shell.path("read", Word("."), frame, via="git")
    return UNREAD


def tag(call: Invocation) -> Stream | None:
    flags = call.reading.flags
    traits: tuple[str, ...] = ()
    verb = "read"
    if flags & {"-d", "--delete"}:
        verb, traits = "delete", ("irreversible",)
    elif call.reading.operands and not flags & {
        "-l",
        "--list",
        "-v",
        "--verify",
        "--contains",
        "--points-at",
        "--merged",
        "--sort",
        "-n",
    }:
        verb, traits = "write", (("force", "overwrite") if flags & {"-f", "--force"} else ())
    if verb == "write":
        call.shell.wrote(f"{_TAGS}/{call.reading.operands[0].text}", call.frame, UNREAD)
    call.shell.path(verb, Word("." if verb != "write" else ".git"), call.frame, via="git", traits=traits)
    return UNREAD
