"""``aws s3 cp``, ``gsutil cp`` and their kin: files here, objects there."""

from __future__ import annotations

from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream


def copy(call: Invocation) -> Stream:
    """An operand with a scheme is an object of a cloud; what goes there is sent, what comes from there is written."""
    reading, shell, frame = call.reading, call.shell, call.frame
    call.apply()
    if not reading.operands:
        return UNREAD
    *sources, target = reading.operands
    tries = "dry-run" in reading.traits
    traits = tuple(sorted({*reading.traits, *frame.traits}))
    away = "://" in target.text or not target.known
    for word in sources:
        if "://" in word.text:
            shell.ledger.effect("receive", "remote", word.text, place="cloud", via=call.via, traits=traits)
        else:
            shell.path("read" if tries or not away else "send", word, frame, via=call.via, traits=traits)
            shell.path("read", word, frame, via=call.via, traits=traits)
        if reading.subs[-1:] == ["mv"] and not tries:
            if "://" in word.text:
                shell.ledger.effect("delete", "remote", word.text, place="cloud", via=call.via, traits=traits)
            else:
                shell.path("delete", word, frame, via=call.via, traits=traits)
    if away:
        marks = traits if tries else tuple(sorted({*traits, "upload"}))
        verb = "query" if tries else "send"
        shell.ledger.effect(verb, "remote", target.text, place="cloud", via=call.via, traits=marks)
    elif target.text != "-":
        shell.path("read" if tries else "write", target, frame, via=call.via, traits=traits)
    return UNREAD
