"""Commands that only ask: for help, for what there is, or for what the program would do."""

from __future__ import annotations

import re

from hitl_opa.facts.data import Act, Program
from hitl_opa.facts.shell.options import Reading
from hitl_opa.facts.shell.words import Word

_ASKING = re.compile(
    r"--?(?:list|show|status|info|query|print|display|help|version|get-[a-z]+|list-[a-z-]+|show-[a-z-]+|print-[a-z-]+|sb-state)(?:=\w+)?\Z"
)
HELP = frozenset({"--help", "--version", "-version", "-help", "help", "version", "-V", "-h", "-v", "--usage", "-?"})
_CHANGES = frozenset({"write", "delete", "configure", "publish", "send", "stop", "spend"})
_LASTING = frozenset({"irreversible", "bulk", "overwrite", "upload"})


def informational(program: Program, args: list[Word], reading: Reading) -> bool:
    """Nothing but ``--help`` or ``--version``, alone or after subcommands."""
    if (
        args
        and not program.special
        and program.style != "posix"
        and program.does
        and all(_ASKING.match(a.text) for a in args)
    ):
        return True
    if not args or args[-1].text not in ("--help", "--version", "-h", "-V", "-version", "-help", "help", "version"):
        return False
    last = args[-1].text
    if len(args) == 1:
        return (
            last[:2] == "--"
            or last in ("-V", "-version", "-help")
            or (last == "-h" and "-h" not in program.flags and "-h" not in program.options)
            or (last in ("help", "version") and bool(program.subs or program.verbs))
        )
    subcommands = program.subs or program.verbs
    return (
        bool(subcommands)
        and last in ("--help", "-h", "--version")
        and not any(a.text[:1] == "-" or not a.known for a in args[:-1])
        and len(reading.subs) + len(reading.words) >= 1
        and len(args) <= 6
        and program.style != "posix"
    )


def tried(act: Act) -> Act:
    """What is left of an act when its program only says what it would do; code that runs for that still runs."""
    if act.verb not in _CHANGES or act.type not in ("", "remote", "host", "package", "system"):
        return act
    if act.verb == "publish" and act.place in ("registry", "release"):
        return act  # what is published stays published: too much to leave to the reading of one flag
    verb = "query" if act.type in ("remote", "host") or act.kind == "url" else "read"
    return Act(act.kind, verb, act.type, act.place, tuple(t for t in act.traits if t not in _LASTING))
