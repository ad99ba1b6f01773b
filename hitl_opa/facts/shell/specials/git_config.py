"""git's configuration: what of it runs commands, takes git elsewhere, or only says how things look."""

from __future__ import annotations

import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
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
# Configuration that says where git goes, and whom it believes.
_ROUTES = re.compile(
    r"(?i)(?:https?(?:\..+)?\.(?:proxy|sslcainfo|sslcapath|sslcert|extraheader|cookiefile)|url\..+\.(?:insteadof|pushinsteadof)|"
    r"remote\..+\.(?:url|pushurl|proxy)|remote\.pushdefault|branch\..+\.pushremote)\Z"
)
_CHECKS = re.compile(r"(?i)(?:https?(?:\..+)?\.sslverify|(?:transfer|fetch|receive)\.fsckobjects)\Z")
_OFF = frozenset({"false", "no", "off", "0", ""})
_INCLUDES = re.compile(r"(?i)(?:include|includeif\..+)\.path\Z")
# Configuration that says how git shows and merges things, and who its user is.
_PLAIN = re.compile(
    r"(?i)(?:user\.(?:name|email)|init\.defaultbranch|core\.(?:autocrlf|eol|safecrlf|filemode|quotepath|longpaths|ignorecase|"
    r"precomposeunicode|abbrev|compression|preloadindex|untrackedcache|fscache|commentchar|whitespace)|pull\.(?:rebase|ff)|"
    r"push\.(?:default|autosetupremote|followtags)|fetch\.(?:prune|prunetags|parallel)|merge\.(?:conflictstyle|ff|stat|log)|"
    r"rebase\.(?:autosquash|autostash|updaterefs)|rerere\.\w+|branch\.(?:sort|autosetupmerge|autosetuprebase)|tag\.sort|"
    r"(?:color|column|advice)\.[\w.]+|log\.(?:date|decorate|follow)|status\.\w+|commit\.verbose|help\.format|"
    r"diff\.(?:algorithm|colormoved|colormovedws|mnemonicprefix|renames|noprefix))\Z"
)


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
    if "--global" in shared and not writes - {"--add"} and _PLAIN.match(operands[0].text):
        shell.ledger.effect(
            "configure", "path", "~/.gitconfig", place="git-internals", via="git", traits=frame.traits
        )  # how git shows things, for this user; nothing runs or goes elsewhere because of it
        return UNREAD
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
        else:
            _leads(call, name, value)
    return UNREAD


def configured(call: Invocation, word: Word, aliases: dict[str, str]) -> None:
    """``-c name=value``: for this one run."""
    name, _, value = word.text.partition("=")
    if name.lower().startswith("alias."):
        aliases[name[6:]] = value
    elif _RUNS.match(name) and value.strip() not in _HARMLESS and UNKNOWN not in name:
        _run_value(call, value)
    elif name.lower() == "core.hookspath" and value == "/dev/null":
        return  # no hooks, as with --no-verify
    elif name.lower() in ("core.hookspath", "core.attributesfile") or name.lower().startswith("protocol.ext.allow"):
        call.shell.ledger.effect("execute", "code", value, place="unknown", via="git", traits=call.frame.traits)
    else:
        _leads(call, name, value)


def _run_value(call: Invocation, value: str) -> None:
    text = value[1:] if value[:1] == "!" else value
    if "credential" in value and value[:1] != "!":
        return
    call.shell.script(text, call.frame.within("git"), via="git")


def _leads(call: Invocation, name: str, value: str) -> None:
    """Settings that take git to other hosts, switch checks off, or read settings from another file."""
    ledger, frame = call.shell.ledger, call.frame
    if _INCLUDES.match(name):
        place, real, inside = code.script_place(call.shell, frame, Word(value))
        ledger.effect(
            "execute", "code", value, place=place, real=real, inside=inside, via="git", traits=frame.traits
        )  # settings can run commands
        return
    off = _CHECKS.match(name) is not None and value.strip().lower() in _OFF
    if off or _ROUTES.match(name):
        traits = tuple(sorted({*frame.traits, *(("disable-security",) if off else ())}))
        ledger.effect("configure", "system", f"{name}={value}", place="network", via="git", traits=traits)
