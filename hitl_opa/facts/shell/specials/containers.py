"""Containers and pods: mounts of the host count as host paths, the command inside is read too."""

from __future__ import annotations

import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.words import Word


def container_copy(call: Invocation) -> Stream:
    """``docker cp``: ``name:path`` lies in a container, the other end here."""
    shell, frame, operands = call.shell, call.frame, call.reading.operands
    for i, word in enumerate(operands[-2:]):
        if word.text == "-":
            continue
        if ":" in word.text and word.text[:1] not in "./":
            verb = "configure" if i else "read"
            shell.ledger.effect(verb, "system", word.text, place="container", via=call.via, traits=frame.traits)
        else:
            shell.path("write" if i else "read", word, frame, via=call.via, traits=("overwrite",) if i else ())
    return UNREAD


def container(call: Invocation) -> Stream | None:
    """docker run/exec and kin: mounts of the host count as host paths; the command inside is read, but less sure."""
    reading, frame, shell_ = call.reading, call.frame, call.shell
    words = reading.rest
    traits = tuple(sorted({*reading.traits, *frame.traits}))
    mounted: list[tuple[str, str]] = []
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            call.run(act, word)
        elif act.kind == "path" and word is not None:
            if act.verb == "execute":  # a mount: host:container[:ro]
                text = word.text
                source = text
                if "source=" in text or "src=" in text:
                    source = next(
                        (p.partition("=")[2] for p in text.split(",") if p.startswith(("source=", "src="))), ""
                    )
                    target = next(
                        (
                            p.partition("=")[2]
                            for p in text.split(",")
                            if p.startswith(("target=", "dst=", "destination="))
                        ),
                        "",
                    )
                    readonly = "readonly" in text or ",ro" in text
                else:
                    source, _, tail = text.partition(":")
                    target, _, mode = tail.partition(":")
                    readonly = "ro" in mode.split(",")
                if source[:1] in "/~." or UNKNOWN in source:
                    shell_.path("read" if readonly else "write", Word(source), frame, via=call.via, traits=traits)
                    mounted.append((target, source))
            else:
                shell_.path(act.verb, word, frame, via=call.via)
        elif act.kind == "effect":
            shell_.ledger.effect(
                act.verb,
                act.type,
                word.text if word else "",
                place=act.place,
                via=call.via,
                traits=tuple(sorted({*act.traits, *traits})),
            )
    for act in reading.level.does:
        shell_.ledger.effect(
            act.verb,
            act.type,
            words[0].text if words else "",
            place=act.place,
            via=call.via,
            traits=tuple(sorted({*act.traits, *traits})),
            certain=frame.certain,
        )
    command = words[1:]
    entry = next((w for w in [_option_value(call.args, "--entrypoint")] if w), None)
    if entry is not None and entry.text:
        command = [entry, *command]
    if command:
        inner = frame.within(call.via)
        inner.cwd = UNKNOWN
        inner.certain = frame.certain and bool(mounted)
        host_root = next((t for t, s in mounted if s in ("/", "/*")), "")
        argv = [Word(_from_host(w.text, mounted), w.glob, w.origin) for w in command]
        if host_root and command[0].text == "chroot" and len(command) > 1:
            argv = [command[0], Word("/"), *command[2:]]
        before = set(shell_.ledger._opaque)
        shell_.run(argv, inner, call.stdin)
        for key in set(shell_.ledger._opaque) - before:
            if key[0] in (
                "unknown-program",
                "variable-program",
            ):  # what an image holds is the image's, told by the effect above
                del shell_.ledger._opaque[key]
    return UNREAD


def _from_host(text: str, mounted: list[tuple[str, str]]) -> str:
    for target, source in mounted:
        if target and target != "/":
            text = (
                re.sub(rf"(?<![\w/.]){re.escape(target.rstrip('/'))}(?=/|\s|'|\"|;|$)", source.rstrip("/") or "", text)
                or "/"
            )
    return text


def _option_value(args: list[Word], option: str) -> Word | None:
    for i, word in enumerate(args):
        if word.text == option and i + 1 < len(args):
            return args[i + 1]
        if word.text.startswith(option + "="):
            return Word(word.text[len(option) + 1 :], False, word.origin)
    return None


def kubectl_exec(call: Invocation) -> Stream:
    reading, frame = call.reading, call.frame
    words = list(call.args)
    at = next((i for i, w in enumerate(words) if w.text == "--"), -1)
    command = words[at + 1 :] if at >= 0 else reading.operands[1:]
    for act in reading.level.does:
        call.shell.ledger.effect(
            act.verb,
            act.type,
            " ".join(w.text for w in reading.operands[:1]),
            place=act.place,
            via=call.via,
            traits=tuple(sorted({*act.traits, *frame.traits})),
        )
    if command:
        inner = frame.within(call.via)
        inner.cwd = UNKNOWN
        inner.certain = False
        call.shell.run(command, inner, call.stdin)
    return UNREAD


def kubectl_get(call: Invocation) -> Stream | None:
    """Getting secrets of a cluster is reading secrets."""
    kinds = call.reading.operands[:1]
    if any(re.match(r"(?:.*,)?secrets?(?:[/,.]|$)", w.text) for w in kinds) or any(
        re.match(r"secrets?/", w.text) for w in call.reading.operands
    ):
        call.shell.ledger.effect(
            "read",
            "secret",
            " ".join(w.text for w in call.reading.operands[:3]),
            via=call.via,
            traits=call.frame.traits,
            certain=call.frame.certain,
        )
    return None
