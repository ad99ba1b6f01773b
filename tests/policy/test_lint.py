"""Each lint rule: that it fires, where, that its fix passes, and what it prevents, shown on both engines."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hitl_opa.errors import PolicyError
from hitl_opa.policy import lint
from hitl_opa.policy.bundle import load_bundle
from hitl_opa.policy.child import lint as lint_here
from hitl_opa.policy.yaml import load_yaml

INPUT = {"neg": -5, "text": "abc", "one": 1, "call": {"input": {"x": 1}}}
ERROR, UNDEFINED = "<error>", "<undefined>"  # as on_opa and on_embedded have them
LONG = {"LINE": "a" * 1100, "DEEP": "[" * 14 + "]" * 14, "NUL": "\x00"}


def cases() -> list[dict[str, Any]]:
    file = Path(__file__).with_name("profile.yaml")
    read: list[dict[str, Any]] = load_yaml(file.read_text(), str(file))
    for case in read:
        for word, text in LONG.items():
            case["bad"] = case["bad"].replace(word, text)
    return read


CASES = cases()


def name(case: dict[str, Any]) -> str:
    return f"{case['rule']}: {case['bad'][:40]}"


def findings(body: str) -> list[Any]:
    return lint_here({"t.rego": f"package t\n\n{body}\n"}, frozenset(), frozenset(), (), {})


@pytest.mark.parametrize("case", CASES, ids=name)
def test_finds_the_bad_and_passes_the_good(case: dict[str, Any]) -> None:
    found = findings(case["bad"])
    assert {f.rule for f in found} == {case["rule"]}
    first = found[0]
    assert (first.file, first.line) == ("t.rego", case.get("line", 3))
    assert first.column >= 1
    assert first.message
    assert first.fix
    assert findings(case["good"]) == []


@pytest.mark.parametrize("case", [c for c in CASES if c["differs"]], ids=name)
def test_the_difference_it_prevents(case: dict[str, Any], on_opa: Any, on_embedded: Any) -> None:
    bad, good = (f"package t\n\n{case[key]}\n" for key in ("bad", "good"))
    assert on_opa(bad, INPUT) != on_embedded(bad, INPUT)
    assert on_opa(good, INPUT) == on_embedded(good, INPUT)


def test_every_rule_prevents_a_difference() -> None:
    shown = {c["rule"] for c in CASES if c["differs"]}
    assert {c["rule"] for c in CASES} - shown == {"nesting", "known"}


def test_nesting_prevents_a_parser_that_does_not_come_back(on_opa: Any) -> None:
    """Its time doubles with each bracket: at 60 it is beyond any deadline."""
    source = f"package t\n\nr := {'[' * 60}1{']' * 60}\n"
    assert on_opa(source) != ERROR
    parse = "import regorus, sys; regorus.Engine().add_policy('t.rego', sys.argv[1])"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", parse, source], timeout=2, check=True)
    assert {f.rule for f in findings(source.partition("\n\n")[2])} == {"nesting"}


def test_known_prevents_a_mistake_that_both_engines_make(on_opa: Any, on_embedded: Any) -> None:
    unstated = {"agent": {"confidence": {"known": False, "value": 0}}}
    for case in (c for c in CASES if c["rule"] == "known"):
        bad, good = (f"package t\n\n{case[key]}\n" for key in ("bad", "good"))
        assert on_opa(bad, unstated) is on_embedded(bad, unstated) is True
        assert on_opa(good, unstated) == on_embedded(good, unstated) == UNDEFINED


def test_the_shipped_policies_are_portable() -> None:
    bundle = load_bundle()
    assert lint.findings({**bundle.modules, **bundle.tests}, data=msgspec.json.decode(bundle.data)) == []


def test_beside_the_shipped_policies_a_users_are_checked_as_with_them() -> None:
    """The shipped ones are read for their names alone: that is nine tenths of the time of a start."""
    bundle = load_bundle()
    mine = {
        "circle.rego": 'package hitl.custom\n\nimport data.hitl.main\n\nround if main.decision.verdict == "deny"\n',
        "reasons.rego": "package hitl.custom\n\nreasons contains r if {\n\tround\n\tr := {}\n}\n",
        "arguments.rego": "package hitl.custom\n\nimport data.hitl.lib\n\nr := lib.nothing(1)\n",
        "clash.rego": "package hitl.custom\n\nreasons := 1\n",
        "mine_test.rego": "package hitl.custom_test\n\nr := startswith(1)\n",
    }
    sources, users, data = {**bundle.modules, **mine}, frozenset(mine), msgspec.json.decode(bundle.data)
    alone = lint_here(sources, users, frozenset(bundle.modules), lint.USER_PACKAGE, data)
    both = lint_here(sources, users, frozenset(), lint.USER_PACKAGE, data)
    assert {f.file for f in alone if f.rule != "recursion"} == {*mine} - {"circle.rego"}
    # the circle goes through the shipped policies; where it is entered is where it is told
    assert {f for f in alone if f.rule != "recursion"} == {f for f in both if f.rule != "recursion"}
    assert "recursion" in {f.rule for f in alone}


def test_with_data_of_another_shape_all_is_checked_again(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text("package hitl.custom\n\nx := 1\n")
    wrong = {"hitl/wrong.rego": "package hitl.wrong\n\nr := nothing(1)\n"}
    for overrides, found in (({}, False), ({"hitl": {"tiers": 1}}, True)):
        bundle = load_bundle(tmp_path, data_overrides=overrides)
        assert bool(bundle.compiled) is not found
        bundle = msgspec.structs.replace(
            bundle, modules={**bundle.modules, **wrong}, compiled=bundle.compiled and bundle.compiled | set(wrong)
        )
        with pytest.raises(PolicyError, match=r"hitl/wrong\.rego:3") if found else nullcontext():
            lint.check(bundle)


def test_positions_are_exact() -> None:
    (found,) = findings('r if {\n\ttrue\n\tnot startswith(input.nope, "a")\n}')
    assert (found.line, found.column) == (5, 2)
    assert str(found).startswith("t.rego:5:2: negation: ")


def test_negation_over_what_is_always_there_passes() -> None:
    body = """
h(e) if e.target.place == "x"
r if not input.agent.unattended
r if not input.agent.level == 3
r if not startswith(input.call.tool, "mcp__")
r if {
	some e in input.facts.effects
	not startswith(e.target.real, "/x")
	not e.target.place in {"a", "b"}
	not h(e)
	not h2
}
h2 if input.agent.level > 2
"""
    assert findings(body) == []


def test_nested_bodies_see_outer_names_and_guards() -> None:
    body = """
r if {
	input.agent.confidence.known
	every x in [1, 2] {
		input.agent.confidence.value < x
		not x in [3]
	}
	count([y | some y in [1]; not y in [x | some x in [1, 2]]; input.agent.confidence.value < 1]) == 1
}
"""
    assert findings(body) == []


def test_reasons_that_nobody_reads_are_refused() -> None:
    rule = 'reasons contains r if {\n\tr := {"rule": "x", "verdict": "deny", "risk": "low", "message": "x"}\n}\n'
    sources = {"a.rego": f"package hitl.custom.team\n\n{rule}", "b.rego": f"package hitl.custom\n\n{rule}"}
    found = lint_here(sources, frozenset(sources), frozenset(), ("hitl", "custom"), {})
    assert [(f.file, f.line, f.rule) for f in found] == [("a.rego", 3, "unheard")]


def test_a_user_may_only_add_to_the_custom_package() -> None:
    sources = {"mine.rego": "package hitl.main\n\nx := 1\n", "sub.rego": "package hitl.custom.team\n\nx := 1\n"}
    sources["mine_test.rego"] = "package hitl.custom_test\n\ntest_x if true\n"
    found = lint.findings(sources, users=frozenset(sources))
    assert [(f.file, f.line, f.column, f.rule) for f in found] == [("mine.rego", 1, 1, "package")]


def test_functions_of_other_files_are_known() -> None:
    sources = {
        "lib.rego": "package lib\n\nf(x) := x\n",
        "a.rego": "package a\n\nimport data.lib\nimport data.lib as o\n\nr := lib.f(1)\ns := o.f(1) + data.lib.f(1)\n",
        "b.rego": "package b\n\nimport data.lib\n\nr := lib.g(1)\n",
    }
    assert [(f.file, f.line, f.rule) for f in lint.findings(sources)] == [("b.rego", 5, "function")]


def test_a_long_chain_of_rules_is_refused() -> None:
    body = "\n".join(f"r{i} := r{i + 1}" for i in range(3000)) + "\nr3000 := 1"
    assert {f.rule for f in findings(body)} == {"chain"}


@pytest.mark.timeout(60)
def test_a_parser_that_dies_or_hangs_is_a_policy_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "_START", 'import os; print(\'{"file": "bad.rego"}\', flush=True); os.abort()')
    with pytest.raises(PolicyError, match=r"bad\.rego: the parser died on this file"):
        lint.findings({"bad.rego": "package a"})
    monkeypatch.setattr(lint, "_START", 'import time; print(\'{"file": "slow.rego"}\', flush=True); time.sleep(60)')
    with pytest.raises(PolicyError, match=r"slow\.rego: parsing took longer than 0\.5 s"):
        lint.findings({"slow.rego": "package a"}, deadline=0.5)


def test_hostile_text_is_refused_in_time() -> None:
    sources = {
        "deep.rego": "package a\n\nr := " + "[" * 1000 + "]" * 1000,
        "wide.rego": "package a\n\nr := [" + ", ".join(["1"] * 300) + "]\n",
        "sum.rego": "package a\n\nr := " + "1+" * 400 + "1\n",
        "surrogate.rego": 'package a\n\nr := "\\ud800"\n',
        "empty.rego": "",
        "noise.rego": "\x01\x02 {{{",
    }
    found = lint.findings(sources, deadline=20)
    assert {f.file for f in found} >= {"deep.rego", "empty.rego", "noise.rego"}
    with pytest.raises(PolicyError, match=r"deep\.rego:3:"):
        raise PolicyError("\n".join(map(str, found)))


PAGE = Path(__file__).parents[2] / "docs" / "portable-profile.md"
HEAD = """# The portable profile

Policies are linted before they are loaded (`hitl-opa policy lint`), because the embedded engine and OPA answer some
Rego differently, and mostly so that a deny gets lost. Below is each rule with what it refuses and what to write in its
place. Where it says *differs*, a test shows both engines answering the refused form differently and the other alike,
and so there is for every rule but two, each with a test of its own: `nesting` (the embedded engine parses brackets in
time that doubles with each, OPA does not) and `known` (both engines answer alike, and both wrongly: a confidence that
nobody stated has the value 0, and counts as none at all). Entries that do not differ show the rule on another form,
which both engines may treat alike.

This page is made from `tests/policy/profile.yaml`, whose every entry is a test.
"""


def page() -> str:
    parts = [HEAD]
    for rule in sorted({case["rule"] for case in CASES}):
        parts.append(f"## {rule}\n")
        for case in (c for c in CASES if c["rule"] == rule):
            if any(len(line) > 200 for line in case["bad"].split("\n")) or "\x00" in case["bad"]:
                continue
            mark = "refused, differs" if case["differs"] else "refused"
            parts.append(f"```rego\n# {mark}\n{case['bad']}\n\n# portable\n{case['good']}\n```\n")
    return "\n".join(parts)


def test_the_page_shows_the_profile() -> None:
    if os.environ.get("HITL_UPDATE") == "1":
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run this test with HITL_UPDATE=1"
