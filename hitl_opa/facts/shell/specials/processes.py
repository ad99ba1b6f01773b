"""``kill``, ``killall``, ``pkill`` and their kin: whose processes are stopped."""

from __future__ import annotations

import re

from hitl_opa.facts.data import load
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream

_FLAG = re.compile(r"-[A-Za-z0-9]+|--\w+(=\w+)?|[A-Z]{3,}")
_USERS = frozenset({"-u", "--user", "-U", "--uid"})
_NAMES = frozenset({"/IM", "/im", "-IM"})  # taskkill


def kill(call: Invocation) -> Stream:
    """By number: one's own, every process, or whichever a number that is not known names."""
    pids = [w for w in call.args if not _FLAG.fullmatch(w.text) or w.text == "-1"]
    texts = [w.text for w in call.args]
    if not pids or any(t in ("-l", "-L", "--list", "--table") for t in texts):
        return UNREAD
    if texts[0] == "-0":
        _effect(call, "read", [w.text for w in pids], "own")
        return UNREAD
    everything = "-1" in texts[1:]
    unknown = any(not w.known and not w.origin & {"job"} for w in pids)
    place = (
        "all"
        if everything or any(w.text == "1" and "job" not in w.origin for w in pids)
        else "unknown"
        if unknown
        else "own"
    )
    _effect(call, "stop", [w.text for w in pids], place, *(("all",) if everything else ()))
    return UNREAD


def killall(call: Invocation) -> Stream:
    """By name or user: what keeps the machine running or watched is everybody's, and so is all that a user runs."""
    reading = call.reading
    if reading.inform:
        return UNREAD
    names = [w.text for w in reading.operands]
    names += [b.text for a, b in zip(call.args, call.args[1:], strict=False) if a.text in _NAMES]
    daemons = load().names.groups["daemons"]
    plain = {n.strip("^$*").rpartition("/")[2].lower().removesuffix(".exe") for n in names}
    whole = bool(reading.flags & _USERS) if not plain else any(not n.strip(".") for n in plain)
    users = {b.text for a, b in zip(call.args, call.args[1:], strict=False) if a.text in _USERS}
    place = "all" if whole or plain & daemons or users & {"root", "0"} else "own"
    _effect(call, "stop", names, place)
    return UNREAD


def fuser(call: Invocation) -> Stream | None:
    """Who has files or ports open; ``-k`` stops them: what has a port that everybody may open is one's own."""
    flags, names = call.reading.flags, [w.text for w in call.reading.operands]
    if not flags & {"-k", "--kill"}:
        return None
    ports = [name.partition("/")[0] for name in names]
    mine = bool(ports) and all(port.isdigit() and int(port[:6]) >= 1024 for port in ports)
    _effect(call, "stop", names, "own" if mine else "unknown")
    return UNREAD


def _effect(call: Invocation, verb: str, targets: list[str], place: str, *traits: str) -> None:
    call.shell.ledger.effect(
        verb,
        "process",
        " ".join(targets)[:200],
        place=place,
        via=call.via,
        traits=tuple(sorted({*call.frame.traits, *traits})),
        certain=call.frame.certain,
    )
