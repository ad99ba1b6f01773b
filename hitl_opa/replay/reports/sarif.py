"""A summary as SARIF 2.1.0, for code scanning: a result a rule and agent, at the rule in the policy."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hitl_opa import __version__
from hitl_opa.replay.summary import Direction, Group, Summary

_LEVELS = {Direction.WIDENED: "error", Direction.TIGHTENED: "warning", Direction.OTHERWISE: "note"}
_SAID = {
    Direction.WIDENED: "let more run, or ask fewer people",
    Direction.TIGHTENED: "are decided more strictly",
    Direction.OTHERWISE: "are decided the same for other reasons",
}


def sarif(summary: Summary, places: Mapping[str, tuple[str, int]], fallback: str) -> dict[str, Any]:
    """``places``: rule id -> file (relative to the repository) and line; ``fallback``: the file for other rules."""
    rules = sorted({group.rule for group in summary.groups})
    driver = {
        "name": "hitl-opa replay",
        "version": __version__,
        "informationUri": "https://pypi.org/project/hitl-opa/",
        "rules": [{"id": rule, "shortDescription": {"text": f"Calls decided otherwise by {rule}"}} for rule in rules],
    }
    results = [_result(group, rules, places.get(group.rule, (fallback, 1))) for group in summary.groups]
    notes = [{"level": "note", "message": {"text": note}} for note in summary.notes]
    notes += [
        {"level": "warning", "message": {"text": f"{count} call(s) could not be replayed: {why}"}}
        for why, count in summary.skipped.items()
    ]
    invocation = {"executionSuccessful": True, "toolExecutionNotifications": notes}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "invocations": [invocation]}],
    }


def _result(group: Group, rules: list[str], place: tuple[str, int]) -> dict[str, Any]:
    file, line = place
    moves = ", ".join(f"{count} x {move}" for move, count in group.moves.items())
    by = f" of agent {group.agent}" if group.agent else ""
    first = group.examples[0] if group.examples else None
    example = f" For example {first.tool} {first.what}" if first else ""
    key = sha256("\n".join((group.direction, group.rule, group.agent)).encode()).hexdigest()
    return {
        "ruleId": group.rule,
        "ruleIndex": rules.index(group.rule),
        "level": _LEVELS[group.direction],
        "message": {"text": f"{group.count} recorded call(s){by} {_SAID[group.direction]} ({moves}).{example}"},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": line}}},
        ],
        "partialFingerprints": {"change/v1": key},
        "properties": {"direction": group.direction, "agent": group.agent, "count": group.count, "moves": group.moves},
    }
