"""What a call will do, in plain words, from its effects."""

from __future__ import annotations

from hitl_opa.model import Command, Document, Effect, Facts, Target, Verb
from hitl_opa.terminal.text import visible

_VERBS = {
    Verb.READ: "read",
    Verb.WRITE: "write",
    Verb.DELETE: "delete",
    Verb.EXECUTE: "run",
    Verb.SEND: "send data to",
    Verb.RECEIVE: "fetch from",
    Verb.QUERY: "look at",
    Verb.CONFIGURE: "change the settings of",
    Verb.ESCALATE: "gain more privilege through",
    Verb.PUBLISH: "publish to",
    Verb.SPEND: "spend money or quota on",
    Verb.STOP: "stop",
    Verb.ASK: "ask",
    Verb.DELEGATE: "hand work to",
}
_PLACES = {
    "workspace": "in the workspace",
    "temp": "temporary file",
    "home": "in your home directory",
    "home-root": "your whole home directory",
    "root": "the whole system or a top-level part of it",
    "system": "system file",
    "system-auth": "who may log in to this machine",
    "boot": "needed to start this machine",
    "device": "raw device",
    "proc": "running kernel",
    "logs": "log or history",
    "autostart": "starts by itself later",
    "shell-startup": "runs in every new shell",
    "credentials": "credentials",
    "env-file": "environment file, often with secrets",
    "ci": "build pipeline",
    "git-internals": "inside .git",
    "git-hooks": "runs at every git command",
    "package-config": "package manager settings",
    "dotfile": "personal settings",
    "guard": "what guards this agent",
    "outside": "outside the workspace",
    "loopback": "this machine",
    "private": "private network",
    "metadata": "cloud credentials service",
    "registry": "package registry",
    "pinned": "trusted host",
    "public": "the internet",
    "protected-branch": "protected branch",
    "pull-request": "pull request",
    "production": "production",
    "inline": "code given on the command line",
    "remote": "code fetched from elsewhere",
    "package": "install scripts of packages",
    "image": "container image",
}
_TRAITS = {
    "all": "everything",
    "append": "adds to it",
    "background": "keeps running",
    "bulk": "many at once",
    "disable-security": "switches a protection off",
    "download": "",
    "dry-run": "dry run, changes nothing",
    "elevated": "with more privilege",
    "force": "without asking back",
    "fork-bomb": "multiplies itself without end",
    "history": "rewrites published history",
    "interactive": "waits for input",
    "irreversible": "cannot be undone",
    "listen": "waits for connections",
    "no-where": "all rows: there is no WHERE",
    "overwrite": "replaces what is there",
    "persistence": "stays set up",
    "plan": "a plan that Claude Code keeps",
    "preserve-root-off": "switches rm's last safeguard off",
    "recursive": "and everything below it",
    "reverse-shell": "hands a shell to somebody else",
    "secret": "carries a secret",
    "setuid": "runs as its owner",
    "tamper": "erases what happened",
    "upload": "",
    "world-writable": "anybody may change it",
}
_OPAQUE = {
    "parse-error": "cannot be parsed",
    "eval": "runs text that is only known when it runs",
    "variable-program": "runs a program whose name is only known when it runs",
    "variable-path": "works on a path that is only known when it runs",
    "decoded-code": "runs code that it decodes first",
    "piped-code": "runs code that another program prints",
    "sourced-code": "runs another file in this shell",
    "inline-code": "runs code that could not be followed",
    "dynamic-code": "runs code that is only known when it runs",
    "sql-command": "is SQL that could not be parsed",
    "too-large": "is too large to be followed",
    "unknown-program": "is a program that policy does not know",
    "unknown-subcommand": "is a subcommand that policy does not know",
}
# what has no name of its own: by type and place, else by type
_NAMELESS = {
    "remote/cloud": "something in a cloud account",
    "remote/cluster": "something in a cluster",
    "remote/registry": "a package registry",
    "remote/repository": "a repository",
    "remote/service": "a remote service",
    "system/container": "a container",
    "system/disk": "a disk",
    "system/display": "the screen",
    "system/firewall": "the firewall",
    "system/kernel": "the kernel",
    "system/network": "the network settings",
    "system/power": "this machine's power",
    "system/schedule": "scheduled jobs",
    "system/service": "a service",
    "system/settings": "this machine's settings",
    "account": "an account",
    "agent": "another agent",
    "code": "code",
    "host": "a host that is not named",
    "person": "a person",
    "remote": "something on a remote system",
    "system": "this machine",
}
CHANGING = frozenset(Verb) - {Verb.READ, Verb.QUERY, Verb.ASK, Verb.RECEIVE}
_HARMLESS = frozenset({"workspace", "temp", "null", "loopback", "pinned", "repository", "branch"})
_BAD = frozenset(_TRAITS) - {"append", "background", "download", "dry-run", "interactive", "overwrite", "plan", ""}
MAX_EFFECTS = 12
MAX_NAME = 160


def happenings(facts: Facts, workspace: str = "") -> list[tuple[str, bool]]:
    """What will happen, a sentence an effect, and whether it is something to look at twice; those first.

    What could not be understood comes first of all: nobody can say what it does. Paths in the
    ``workspace`` are shown from there.
    """
    unknown = [(_opaque(o.kind, o.text), True) for o in facts.opaque]
    seen = dict.fromkeys((_sentence(effect, workspace), dangerous(effect)) for effect in facts.effects)
    return [*dict.fromkeys(unknown), *sorted(seen, key=lambda item: not item[1])]


def dangerous(effect: Effect) -> bool:
    """Whether a reviewer's eye should fall on this effect; policy has judged it already."""
    if "dry-run" in effect.traits:
        return False
    if effect.verb not in CHANGING:
        return effect.target.place in {"credentials", "env-file", "metadata", "device"}
    bad = bool(_BAD & set(effect.traits))
    return bad or effect.verb is Verb.DELETE or effect.target.place not in _HARMLESS


def programs(facts: Facts) -> list[str]:
    """The programs that a command line runs, a line each; none where that says nothing new."""
    lines = [_command(command) for command in facts.commands]
    plain = len(facts.commands) == 1 and not facts.commands[0].wrappers
    return [] if plain else lines


def setting(document: Document) -> list[str]:
    """Where the call comes from, for a reviewer who wants everything."""
    agent, context = document.agent, document.context
    counters = context.counters
    lines = [
        f"autonomy level {agent.level}, mode {visible(agent.mode)}"
        + (f", environment {visible(context.environment)}" if context.environment else ""),
        f"working directory {visible(context.cwd)}, workspace {visible(context.workspace)}",
        f"this session so far: {counters.calls} calls, {counters.asked} asked, {counters.denied} denied"
        + (f", this same call {counters.repeats} times before" if counters.repeats else ""),
    ]
    if agent.id or agent.type:
        lines.append(f"subagent {visible(agent.type)} {visible(agent.id)}".rstrip())
    if agent.confidence.known:
        whose = "measured" if agent.confidence.verified else "the agent's own word"
        value = f"{agent.confidence.value:g}" if agent.confidence.value >= 0 else "that is no number from 0 to 1"
        lines.append(f"confidence {value} ({whose})")
    if context.taint.untrusted:
        lines.append("this session has read content from outside: somebody else may be steering the agent")
    if context.taint.secrets:
        lines.append("this session has read secrets")
    return lines


def _sentence(effect: Effect, workspace: str) -> str:
    target = effect.target
    written = target.value or target.real
    if workspace and target.type == "path" and target.inside:
        written = written.removeprefix(f"{workspace}/")
    name = visible(shorten(written)) or _nameless(target)
    place = _PLACES.get(target.place, "") if target.type != "package" else ""
    notes = [place] + [_TRAITS.get(trait, trait) for trait in effect.traits]
    if target.type == "path" and target.real and target.real != target.value and not target.inside:
        notes.insert(0, visible(shorten(target.real)))
    verb = _VERBS[effect.verb]
    start = verb if effect.certain else f"perhaps {verb}"
    said = ", ".join(dict.fromkeys(note for note in notes if note and note not in name))
    return f"{start} {name}" + (f" ({said})" if said else "")


def _nameless(target: Target) -> str:
    place = _NAMELESS.get(f"{target.type}/{target.place}")
    return place or _NAMELESS.get(target.type, f"a {target.type}")


def shorten(text: str) -> str:
    """Start and end of a long text: neither alone says what it is."""
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 60]} … {text[-50:]}"


def _opaque(kind: str, text: str) -> str:
    what = _OPAQUE.get(kind, f"could not be understood ({visible(kind)})")
    shown = visible(shorten(text))
    return f"{shown} {what}" if shown else f"a part of it {what}"


def _command(command: Command) -> str:
    name = visible(command.program) or "a program whose name is not known"
    words = " ".join(visible(arg) for arg in command.args)
    inside = "".join(f"{visible(w)} > " for w in command.wrappers)
    return shorten(f"{inside}{name} {words}".rstrip())
