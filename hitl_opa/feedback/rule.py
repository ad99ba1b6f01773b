"""A pattern as Rego: the rule, and its test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import msgspec

from hitl_opa.feedback.pattern import CHANGES, Pattern
from hitl_opa.model import Document

_RULE = """\
package hitl.custom

# METADATA
# title: {title}
# description: {description}
# custom:
#   id: custom.{name}
#   risk: {risk}
#   remedy: {remedy}
#   learned: {learned}
reasons contains r if {{
	{name}_fits
	r := {reason}
}}

{name}_fits if {{
	input.call.tool == {tool}
	count(input.facts.opaque) == 0
	input.context.taint.untrusted == false
	input.context.taint.secrets == false
	programs := {{c.program | some c in input.facts.commands}}
	count(programs - {programs}) == 0
	shapes := {{[e.verb, e.target.type, e.target.place] | some e in input.facts.effects}}
	count(shapes) > 0
	count(shapes - {shapes}) == 0
	traits := {{t | some e in input.facts.effects; some t in e.traits}}
	count(traits - {traits}) == 0
	values := {{e.target.value |
		some e in input.facts.effects
		object.get({{"path": true, "code": true, "process": true, "system": true}}, e.target.type, false) == false
	}}
	count(values - {values}) == 0
	elsewhere := {{e.target.real |
		some e in input.facts.effects
		e.target.type == "path"
		e.verb in {changes}
		startswith(e.target.real, concat("", [input.context.workspace, {folder}])) == false
	}}
	count(elsewhere) == 0
}}
"""

_TEST = """\
package hitl.custom.{name}_test

import data.hitl.custom

seen := {seen}

verdicts(call) := {{r.verdict |
	some r in custom.reasons with input as call
	r.rule == "custom.{name}"
}}

test_{name}_fits_what_was_decided if {{
	verdicts(seen) == {{{verdict}}}
}}

test_{name}_fits_nothing_else if {{
	count(verdicts(object.union(seen, {{"call": {{"tool": "Other"}}}}))) == 0
	more := object.union(seen, {{"facts": {{"effects": array.concat(seen.facts.effects, [{other}])}}}})
	count(verdicts(more)) == 0
	count(verdicts(object.union(seen, {{"facts": {{"opaque": [{{"kind": "eval", "text": "$x", "via": ""}}]}}}}))) == 0
	count(verdicts(object.union(seen, {{"context": {{"taint": {{"untrusted": true, "secrets": false}}}}}}))) == 0
}}
"""

_OTHER = {
    "verb": "escalate",
    "target": {"type": "account", "value": "root", "real": "", "place": "unknown", "inside": False},
    "via": "",
    "certain": True,
    "traits": [],
}


_REMEDIES = {
    "allow": "Remove this rule to be asked again.",
    "deny": "Ask a person to do it, or to change this rule.",
}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the pack ``hitl.custom`` with its test; file names are ``{name}.rego`` and ``{name}_test.rego``."""

    name: str
    source: str
    test: str


def render(
    pattern: Pattern,
    *,
    verdict: str,
    risk: str,
    waives: Sequence[str],
    message: str,
    example: Document,
    learned: Sequence[str],
) -> Rule:
    """``verdict`` is ``allow`` (then the rule waives ``waives``) or ``deny``; ``learned``: ids of the decisions."""
    name = "learned_" + hashlib.sha256(msgspec.json.encode((pattern, verdict, sorted(waives)))).hexdigest()[:10]
    reason = {
        "rule": f"custom.{name}",
        "verdict": verdict,
        "risk": risk,
        "message": message,
        "remedy": "Remove this rule to be asked again."
        if verdict == "allow"
        else "Ask a person to do it, or to change this rule.",
        "waives": sorted(waives),
    }
    source = _RULE.format(
        title=_text(message),
        description=_text(
            "Made by `hitl-opa policy suggest` from what people decided. It "
            f"{'WIDENS what runs alone' if reason['verdict'] == 'allow' else 'denies more'}: read it first."
        ),
        name=name,
        risk=risk,
        remedy=_text(str(reason["remedy"])),
        learned=_text(list(learned)),
        reason=_text(reason),
        tool=_text(pattern.tool),
        programs=_set(pattern.programs),
        shapes=_set(pattern.shapes),
        traits=_set(pattern.traits),
        values=_set(pattern.values),
        changes=_text(list(CHANGES)),
        folder=_text(f"/{pattern.folder}"),
    )
    test = _TEST.format(name=name, seen=_seen(example), verdict=_text(verdict), other=_text(_OTHER))
    return Rule(name=name, source=source, test=test)


def _seen(document: Document) -> str:
    """The call as far as the rule looks at it, in a workspace of no one's."""
    whole = msgspec.to_builtins(document)
    workspace = document.context.workspace
    seen = {
        "call": {"tool": document.call.tool},
        "facts": {
            "effects": whole["facts"]["effects"],
            "opaque": whole["facts"]["opaque"],
            "commands": [{"program": command.program} for command in document.facts.commands],
        },
        "context": {"workspace": workspace, "taint": whole["context"]["taint"]},
    }
    text = _text(seen)
    return text.replace(_text(workspace)[1:-1], "/workspace") if len(workspace) > 1 else text


def _set(values: Sequence[object]) -> str:
    return "{" + ", ".join(_text(v) for v in values) + "}" if values else "set()"


def _text(value: object) -> str:
    # JSON is Rego, and YAML where METADATA wants it; escaped, no name can end a string or a comment
    return json.dumps(value)
