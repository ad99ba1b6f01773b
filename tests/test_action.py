"""The GitHub Action: its steps' commands are run as the runner would run them, without GitHub."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hitl_opa import Guard, ToolCall

ROOT = Path(__file__).resolve().parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
RULE = """package hitl.custom

# METADATA
# title: Nothing is listed
# custom: {id: custom.listing, risk: high, remedy: none}
reasons contains r if {
	some c in input.facts.commands
	c.program == "ls"
	r := {"rule": "custom.listing", "verdict": "deny", "risk": "high", "message": "Not listed."}
}
"""


class Runner:
    """As much of a runner as the steps see."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.temp = root / "temp"
        for directory in (self.bin, self.temp / "hitl-opa" / "bin"):
            directory.mkdir(parents=True)
        # the step before made a virtual environment here
        (self.temp / "hitl-opa" / "bin" / "hitl-opa").symlink_to(Path(sys.executable).parent / "hitl-opa")

    def program(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def step(self, name: str, inputs: dict[str, str], **context: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        values = {**{f"inputs.{k}": v.get("default", "") for k, v in ACTION["inputs"].items()}, **context}
        values.update({f"inputs.{k}": v for k, v in inputs.items()})
        given = {k: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: values[m[1]], v) for k, v in step.get("env", {}).items()}
        env = {
            **os.environ,
            **given,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.root / "output"),
            "GITHUB_STEP_SUMMARY": str(self.root / "summary"),
            "GITHUB_REPOSITORY": "o/r",
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)

    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.root / "output").read_text().splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    guard = Guard.open(level=3, audit=str(tmp_path / "hitl.db"))
    guard.decide_sync(ToolCall(tool="Bash", input={"command": "ls"}))
    (tmp_path / "export.jsonl").write_text("\n".join(guard.audit.export()))
    guard.audit.close()
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "listing.rego").write_text(RULE)
    return Runner(tmp_path)


def test_replay_writes_its_reports_and_the_summary(runner: Runner) -> None:
    done = runner.step("Replay", {"record": "export.jsonl", "policy": "policy"})
    assert done.returncode == 0, done.stderr
    outputs = runner.outputs()
    assert set(outputs) == {"report", "sarif", "junit"}
    assert "**1 tightened**" in Path(outputs["report"]).read_text()
    assert (runner.root / "summary").read_text() == Path(outputs["report"]).read_text()
    assert '"custom.listing"' in Path(outputs["sarif"]).read_text()
    assert "<testsuite" in Path(outputs["junit"]).read_text()


def test_a_change_that_must_not_be_fails_the_job_and_is_reported_all_the_same(runner: Runner) -> None:
    done = runner.step("Replay", {"record": "export.jsonl", "policy": "policy", "fail-on": "changed", "level": "4"})
    assert done.returncode == 1
    assert "**1 tightened**" in (runner.root / "summary").read_text()


def test_what_cannot_be_read_fails_the_job(runner: Runner) -> None:
    done = runner.step("Replay", {"record": "missing.jsonl"})
    assert done.returncode == 2
    assert "missing.jsonl" in done.stderr
    assert not (runner.root / "summary").exists()


def test_inputs_are_no_commands(runner: Runner) -> None:
    done = runner.step("Replay", {"record": "export.jsonl", "policy": "$(touch pwned); `touch pwned`"})
    assert done.returncode == 2
    assert not (runner.root / "pwned").exists()
    assert not any("${{" in step["run"] for step in STEPS.values())


def test_the_comment_is_the_report(runner: Runner) -> None:
    runner.program("gh", 'printf "%s\\n" "$@" > called; cat "$9" >> called')
    (runner.root / "replay.md").write_text("## Policy replay\n")
    context = {"github.event.pull_request.number": "7", "github.token": "t"}
    done = runner.step("Comment", {"token": "t"}, **context, **{"steps.replay.outputs.report": "replay.md"})
    assert done.returncode == 0, done.stderr
    called = (runner.root / "called").read_text().splitlines()
    assert called[:4] == ["pr", "comment", "7", "--repo"]
    assert called[-1] == "## Policy replay"


def test_install_asks_pip_for_the_version(runner: Runner) -> None:
    runner.program(
        "python3",
        'mkdir -p "$3/bin"; printf \'#!/bin/sh\\necho "$@" > called\\n\' > "$3/bin/pip"; chmod +x "$3/bin/pip"',
    )
    done = runner.step("Install hitl-opa", {"version": "hitl-opa==0.1.0"})
    assert done.returncode == 0, done.stderr
    assert (runner.root / "called").read_text() == "install --quiet hitl-opa==0.1.0\n"


def test_a_pull_request_that_loosens_the_policy_fails_its_job(tmp_path: Path) -> None:
    """The checkout of a branch, whose own settings name the policy, over calls recorded under that of main."""

    def git(*arguments: str) -> None:
        me = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        subprocess.run(["git", *me, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "listing.rego").write_text(RULE)
    (tmp_path / "hitl.yaml").write_text("level: 3\npolicies: [policy]\n")
    git("init", "--quiet", "--initial-branch", "main")
    git("add", "--all")
    git("commit", "--quiet", "--message", "main")
    guard = Guard.open(tmp_path / "hitl.yaml", audit=":memory:")
    for command in ("ls", "ls -la", "rm -rf /"):
        guard.decide_sync(ToolCall(tool="Bash", input={"command": command}))
    (tmp_path / "export.jsonl").write_text("\n".join(guard.audit.export()))
    guard.audit.close()
    runner = Runner(tmp_path)
    same = runner.step("Replay", {"record": "export.jsonl"})
    assert same.returncode == 0, same.stderr
    assert "**3** calls replayed: **0 widened**" in (tmp_path / "summary").read_text()
    (tmp_path / "summary").unlink()
    git("checkout", "--quiet", "-b", "looser")
    (tmp_path / "policy" / "listing.rego").write_text(RULE.replace('"deny"', '"allow"'))
    git("commit", "--quiet", "--all", "--message", "Listing is harmless")
    looser = runner.step("Replay", {"record": "export.jsonl"})
    assert looser.returncode == 1
    summary = (tmp_path / "summary").read_text()
    assert "**2 widened**" in summary
    assert "deny" in summary
    assert "rm -rf" not in summary  # what stays denied is no news
    assert "2 x deny -&gt; " in Path(runner.outputs()["junit"]).read_text()
