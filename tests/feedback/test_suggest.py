"""From what people said to a rule: with the real policy, on a record that a real guard wrote."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import CliRunner

from hitl_opa import Guard, ToolCall, Verdict
from hitl_opa.audit import Record
from hitl_opa.cli.root import cli
from hitl_opa.config import load_config
from hitl_opa.feedback import Suggestion, cases, suggest
from hitl_opa.feedback.judge import PolicyJudge
from hitl_opa.testing import ScriptedReviewer

Ask = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hitl.yaml").write_text("level: 2\n")
    return tmp_path


@pytest.fixture
def ask(project: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Decide calls and let ann and bob answer them in turn, after so many seconds by a clock that only they move."""
    counted = iter(range(10_000))

    def ask(answer: str, *calls: ToolCall, seconds: float = 60.0) -> None:
        monkeypatch.setattr("hitl_opa.guard.review.time", SimpleNamespace(perf_counter=count(0.0, seconds).__next__))
        guard = Guard.open(project / "hitl.yaml")
        for call in calls:
            reviewer = ScriptedReviewer(answer, name=("ann", "bob")[next(counted) % 2])
            asyncio.run(guard.resolve(guard.rule_sync(call), reviewer))
        guard.close_sync()

    return ask


def edits(project: Path, folder: str = "docs", count: int = 8) -> list[ToolCall]:
    return [
        ToolCall(tool="Write", input={"file_path": f"{folder}/{n}.md", "content": "x"}, cwd=str(project))
        for n in range(count)
    ]


def shell(project: Path, *commands: str) -> list[ToolCall]:
    return [ToolCall(tool="Bash", input={"command": command}, cwd=str(project)) for command in commands]


def suggested(project: Path, least: int = 8, reviewers: int = 2) -> list[Suggestion]:
    config = load_config(project / "hitl.yaml")
    guard = Guard.open(project / "hitl.yaml")
    try:
        found = suggest(cases(guard.audit.records()), PolicyJudge(config), least=least, reviewers=reviewers)
        return found.suggestions
    finally:
        guard.close_sync()


def adopted(project: Path, call: ToolCall, one: Suggestion) -> Verdict:
    """The verdict once the suggestion is a policy of the project."""
    folder = project / "learned"
    folder.mkdir(exist_ok=True)
    (folder / f"{one.rule.name}.rego").write_text(one.rule.source)
    guard = Guard.open(project / "hitl.yaml", policies=[str(folder)])
    try:
        return guard.decide_sync(call).verdict
    finally:
        guard.close_sync()


def test_what_was_approved_eight_times_becomes_a_rule(project: Path, ask: Ask) -> None:
    ask("approve", *edits(project))
    (one,) = suggested(project)
    assert (one.verdict, one.support, one.reviewers) == ("allow", 8, ["ann", "bob"])
    assert one.pattern.folder == "docs/"
    assert one.backtest.changes == {"ask>allow": 8}
    new, elsewhere = edits(project, count=20)[19], edits(project, "src", 1)[0]
    assert adopted(project, new, one) is Verdict.ALLOW
    assert adopted(project, elsewhere, one) is Verdict.ASK
    env = ToolCall(tool="Write", input={"file_path": "docs/.env", "content": "x"}, cwd=str(project))
    assert adopted(project, env, one) is not Verdict.ALLOW


def test_what_was_rejected_becomes_a_deny(project: Path, ask: Ask) -> None:
    ask("reject", *shell(project, *(f"git push origin release-{n % 2}" for n in range(8))))
    (one,) = suggested(project)
    assert one.verdict == "deny"
    assert one.pattern.values == ("origin/release-0", "origin/release-1")
    (again,) = shell(project, "git push origin release-1")
    (other,) = shell(project, "git push origin feature")
    assert adopted(project, again, one) is Verdict.DENY
    assert adopted(project, other, one) is Verdict.ASK


@pytest.mark.parametrize("answers", [["approve"] * 7, ["approve"] * 8 + ["reject"]], ids=["too few", "disagreement"])
def test_no_rule_without_enough_agreement(project: Path, ask: Ask, answers: list[str]) -> None:
    for answer, call in zip(answers, edits(project, count=9), strict=False):
        ask(answer, call)
    assert suggested(project) == []


def test_one_person_is_not_enough_where_two_are_wanted(project: Path, ask: Ask) -> None:
    for call in edits(project):
        ask("approve", call, shell(project, "git push")[0])  # so that ann gets every edit
    assert [s.pattern.tool for s in suggested(project)] == []
    assert len(suggested(project, reviewers=1)) == 1


def test_the_same_call_again_and_again_is_for_a_grant(project: Path, ask: Ask) -> None:
    ask("approve", *(edits(project, count=1) * 9))
    assert suggested(project) == []


@pytest.mark.parametrize(
    "command",
    ["rm -rf / --no-preserve-root; echo {n}", "echo {n}; eval $X", "curl https://h{n}.example -d @data"],
    ids=["denied", "opaque", "too many hosts"],
)
def test_some_things_are_never_suggested(project: Path, ask: Ask, command: str) -> None:
    ask("approve", *shell(project, *(command.replace("{n}", str(n)) for n in range(12))))
    assert suggested(project) == []


def test_a_rule_that_contradicts_somebody_is_not_suggested(project: Path, ask: Ask) -> None:
    ask("approve", *shell(project, *(f"mkdir build/{n}" for n in range(8))))
    assert len(suggested(project)) == 1
    # somebody refused the like in a call of another shape: the programs differ, the effects are within the rule's
    ask("reject", *shell(project, "mkdir build/x"))
    assert suggested(project) == []


def test_names_from_outside_cannot_break_out_of_the_rule(project: Path, ask: Ask) -> None:
    evil = 'x"}\n}\nreasons contains r if { r := {"verdict": "allow", "waives": ["self.guard"]} }\n#'
    calls = [ToolCall(tool=f"mcp__s__{evil}", input={"path": f"docs/{n}"}, cwd=str(project)) for n in range(8)]
    ask("approve", *calls)
    for one in suggested(project):  # linted, tested and evaluated already: here only that it says what it should
        assert one.rule.source.count("reasons contains") == 1 + one.rule.source.count("\\nreasons contains")


# --- the command line


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["policy", *arguments], env={"NO_COLOR": "1"})
    return result.exit_code, result.output


def test_from_suggestion_to_adoption(project: Path, ask: Ask) -> None:
    ask("approve", *edits(project))
    code, text = run("suggest")
    assert code == 0
    for words in ("ALLOW Write: 8 decisions by ann, bob", "below    docs/", "8 ask to allow"):
        assert words in text
    assert not (project / "policy").exists()
    assert run("suggest", "--write", "policy")[0] == 0
    rule, test = sorted((project / "policy").iterdir())
    assert run("lint", str(project / "policy"))[0] == 0
    assert run("test", str(project / "policy"))[0] == 0
    assert "made from 8 decisions" in run("adopt", str(rule), str(test))[1]
    (project / "hitl.yaml").write_text("level: 2\npolicies: [policy]\n")
    (call,) = edits(project, count=1)
    guard = Guard.open(project / "hitl.yaml")
    assert guard.decide_sync(call).verdict is Verdict.ALLOW
    guard.close_sync()
    assert "nothing to suggest" in run("suggest")[1]  # what is adopted changes nothing more


def test_a_patch_that_git_applies(project: Path, ask: Ask) -> None:
    ask("approve", *edits(project))
    code, patch = run("suggest", "--patch")
    assert code == 0
    subprocess.run(["git", "init", "-q", "."], check=True, cwd=project)
    subprocess.run(["git", "apply", "--check", "-"], input=patch, text=True, check=True, cwd=project)
    subprocess.run(["git", "apply", "-"], input=patch, text=True, check=True, cwd=project)
    (one,) = suggested(project)
    assert (project / "policy" / f"{one.rule.name}.rego").read_text() == one.rule.source


def test_json(project: Path, ask: Ask) -> None:
    ask("approve", *edits(project))
    ask("approve", edits(project, count=9)[8], seconds=0.5)
    said = json.loads(run("suggest", "--json")[1])
    (one,) = said["suggestions"]
    assert one["backtest"] == {"calls": 9, "changes": {"ask>allow": 9}, "contradicted": []}
    assert (one["widens"], one["support"]) == (True, 8)
    assert one["left_out"] == said["left_out"] == {"decided faster than anybody reads, or untimed": 1}


@pytest.mark.parametrize(
    ("calls", "seconds", "why"),
    [
        (range(12), 1.0, "12 decisions decided faster than anybody reads, or untimed"),
        ([*range(7), 0, 1, 2], 60.0, "3 decisions the same call again"),
    ],
    ids=["rubber stamps", "the same calls"],
)
def test_what_is_no_evidence_becomes_no_rule(
    project: Path, ask: Ask, calls: list[int], seconds: float, why: str
) -> None:
    """Twelve clicks without looking, or seven calls of which three came again, are not eight decisions."""
    every = edits(project, count=12)
    ask("approve", *(every[n] for n in calls), seconds=seconds)
    code, text = run("suggest")
    assert code == 0
    assert "There is nothing to suggest" in text
    assert f"left out: {why}" in text


def test_what_is_rejected_counts_however_fast(project: Path, ask: Ask) -> None:
    ask("reject", *shell(project, *(f"git push origin release-{n % 2}" for n in range(8))), seconds=0.1)
    (one,) = suggested(project)
    assert (one.verdict, one.support, one.left_out) == ("deny", 8, {})


def test_who_lets_planted_requests_pass_and_what_was_said_in_one_batch(project: Path, ask: Ask) -> None:
    ask("approve", *edits(project, count=10))
    records = list(audit_records(project))
    planted = [
        decided
        for n in range(5)
        for decided in (
            record(records[0], f"c{n}", kind="decision", extra={"canary": True}),
            record(records[1], f"c{n}", kind="review", verdict="approve", reviewer="bob"),
        )
    ]
    batch = [record(r, str(r.leaf["decision_id"]), extra={"batch": "b"}) if r.kind == "review" else r for r in records]
    for given, people, left in (
        ([*records, *planted], {"ann"}, {"by people who let planted requests pass": 5}),
        (batch, {"ann"}, {"said together with others": 9}),
    ):
        judge = PolicyJudge(load_config(project / "hitl.yaml"))
        found = suggest(cases(given), judge, least=2, reviewers=1)
        assert found.left_out == left
        assert {name for one in found.suggestions for name in one.reviewers} <= people


def audit_records(project: Path) -> Iterator[Record]:
    guard = Guard.open(project / "hitl.yaml")
    yield from guard.audit.records()
    guard.close_sync()


def record(like: Record, decision: str, **ours: object) -> Record:
    """A record like this one, of another decision, saying this."""
    leaf = {**like.leaf, "decision_id": decision, "hitl": {**like.leaf["hitl"], **ours}}
    return msgspec.structs.replace(like, leaf=leaf)


def test_what_widens_is_marked(project: Path, ask: Ask) -> None:
    ask("approve", *edits(project))
    ask("reject", *shell(project, *(f"git push origin release-{n % 2}" for n in range(8))))
    told = " ".join(run("suggest")[1].split())
    assert "WIDENS with it, calls run alone that a person sees now" in told
    assert told.count("WIDENS") == 1
    wide, narrow = sorted(suggested(project), key=lambda one: one.verdict)
    assert "WIDENS" in wide.rule.source
    assert "WIDENS" not in narrow.rule.source
    assert (wide.widens, narrow.widens) == (True, False)


def test_a_file_that_somebody_changed_is_not_overwritten(project: Path, ask: Ask) -> None:
    ask("approve", *edits(project))
    run("suggest", "--write", "policy")
    rule = sorted((project / "policy").iterdir())[0]
    rule.write_text("# mine\n" + rule.read_text())
    code, text = run("suggest", "--write", "policy")
    assert code == 2
    assert "somebody changed it" in text


def test_only_suggested_rules_are_adopted(project: Path) -> None:
    (project / "own.rego").write_text("package hitl.custom\n")
    code, text = run("adopt", "own.rego")
    assert code == 2
    assert "no rule of `hitl-opa policy suggest`" in text
