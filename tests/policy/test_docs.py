from __future__ import annotations

from pathlib import Path

import pytest

from hitl_opa.errors import PolicyError
from hitl_opa.policy.bundle import PolicyBundle, load_bundle
from hitl_opa.policy.docs import render_docs
from hitl_opa.policy.metadata import read_annotations

RULE = """# METADATA
# title: Things
# description: >-
#   About
#   things.
package hitl.packs.things

# METADATA
# title: A thing | is broken
# custom:
#   id: things.broken
#   risk: high
#   remedy: Mend it.
reasons contains r if {
	r := {"verdict": "ask"}
}
"""


def bundle(source: str) -> PolicyBundle:
    return PolicyBundle(modules={"t.rego": source}, tests={}, data=b"{}", revision="r")


def test_annotations() -> None:
    package, rule = read_annotations("t.rego", RULE)
    assert (package.target, package.title, package.description) == ("package", "Things", "About things.")
    assert (rule.target, rule.line, rule.custom["id"], rule.verdicts) == ("reasons", 8, "things.broken", ["ask"])


@pytest.mark.parametrize(
    ("bad", "place"), [("# a: b: c", "2:7"), ("# - 1", "1:1"), ("# custom: x", "1:1"), ("# a: yes", "2:6")]
)
def test_broken_metadata_says_where(bad: str, place: str) -> None:
    with pytest.raises(PolicyError, match=rf"^t\.rego:{place}: "):
        read_annotations("t.rego", f"# METADATA\n{bad}\npackage a\n")


def test_rules_and_examples(tmp_path: Path) -> None:
    (tmp_path / "things.yaml").write_text(
        "- call: {tool: Bash, input: {command: 'echo `a` | b'}}\n  verdict: ask\n  rule: things.broken\n  note: both\n"
        "- call: {tool: Write, input: {file_path: x, content: z}}\n  verdict: allow\n"
    )
    text = render_docs(bundle(RULE), tmp_path)
    assert "## Things\n\nAbout things.\n" in text
    assert "| `things.broken` | ask | high | A thing \\| is broken | Mend it. |" in text
    assert "| Bash `` echo `a` \\| b `` | ask | `things.broken` | both |" in text
    assert '| Write `{"file_path": "x", "content": "z"}` | allow |  |  |' in text


def test_examples_of_the_wrong_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "things.yaml").write_text("a: 1\n")
    with pytest.raises(PolicyError, match="expected a list of examples"):
        render_docs(bundle(RULE), tmp_path)


def test_every_shipped_rule_is_documented_with_risk_and_remedy() -> None:
    shipped = load_bundle()
    text = render_docs(shipped)
    rules = [a for f, s in shipped.modules.items() for a in read_annotations(f, s) if a.custom.get("id")]
    assert len({a.custom["id"] for a in rules}) == len(rules) > 20
    for rule in rules:
        assert f"| `{rule.custom['id']}` |" in text
        assert rule.title, rule
        assert rule.custom.get("risk"), rule
        assert rule.custom.get("remedy"), rule
        assert f'"{rule.custom["id"]}"' in rule.body, f"{rule.file}:{rule.line}: the id is not the rule's"
