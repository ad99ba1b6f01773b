"""A summary as JUnit XML: a test a rule and agent, failed where the change is one that should fail."""

from __future__ import annotations

import re
from collections.abc import Collection
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hitl_opa.replay.summary import Direction, Example, Group, Summary

_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(summary: Summary, fails: Collection[Direction]) -> str:
    """One test suite. Calls that could not be replayed are skipped tests."""
    failing = [group for group in summary.groups if group.direction in fails]
    suite = Element(
        "testsuite",
        name="hitl-opa replay",
        tests=str(1 + len(summary.groups) + len(summary.skipped)),
        failures=str(len(failing)),
        errors="0",
        skipped=str(len(summary.skipped)),
    )
    same = SubElement(suite, "testcase", classname="replay.same", name=f"{summary.same} calls decided the same")
    SubElement(same, "system-out").text = "\n".join(map(_text, summary.notes))
    for group in summary.groups:
        case = SubElement(suite, "testcase", classname=f"replay.{group.direction}", name=_text(_name(group)))
        if group.direction in fails:
            failure = SubElement(
                case, "failure", message=f"{group.count} call(s) {group.direction}", type=group.direction
            )
            failure.text = _text(_details(group))
        else:
            SubElement(case, "system-out").text = _text(_details(group))
    for why, count in summary.skipped.items():
        case = SubElement(suite, "testcase", classname="replay.skipped", name=_text(why))
        SubElement(case, "skipped", message=f"{count} call(s) could not be replayed")
    indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def _name(group: Group) -> str:
    return f"{group.rule} ({group.agent})" if group.agent else group.rule


def _details(group: Group) -> str:
    moves = "\n".join(f"{count} x {move}" for move, count in group.moves.items())
    return "\n".join([moves, *(f"  {e.tool} {e.what}{_id(e)}" for e in group.examples)])


def _id(example: Example) -> str:
    return f"  [{example.id[:8]}]" if example.id else ""


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
