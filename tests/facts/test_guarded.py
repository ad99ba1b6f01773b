"""What finds the guard's own files without naming them, and what replaces the guard itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import hitl_opa
from hitl_opa.guard import Guard
from hitl_opa.model import ToolCall


@pytest.fixture
def guarded(tmp_path: Path) -> Guard:
    for name in (".hitl/x", "policy/rule.rego", "src/a.db", "src/a.pyc", ".venv/b.pyc", ".claude/settings.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "policy/rule.rego").write_text("package hitl.custom\n")
    (tmp_path / "hitl.yaml").write_text("level: 4\npolicies: [policy]\n")
    return Guard.open(tmp_path / "hitl.yaml")


CHANGES = [
    "find . -name '*.db' -delete",
    "find . -name '*.yaml' -delete",
    "find . -iname 'HITL.*' -delete",
    "find . -name '*.rego' -exec rm {} +",
    "find . -name '*.json' -print0 | xargs -0 rm",
    "find $PWD -type f -delete",
    "find . -name '*.log' -o -name '*.db' -delete",
    "pip uninstall -y hitl-opa",
    "pip install 'hitl_opa==0.0.1'",
    "uv remove hitl-opa",
    'python3 -c \'from hitl_opa.cli import main; main(["approvals", "approve", "x"])\'',
    "python3 -c 'import hitl_opa.approvals'",
]
LEAVES = [
    "find . -name '*.pyc' -delete",
    "find src -name '*.db' -delete",
    "find . -maxdepth 1 -name '*.db' -delete",
    "find . -name '*.db' -not -path './.hitl/*' -delete",
    "find . -type d -empty -delete",
    "find . -name '*.yaml' -exec grep level {} +",
    "find . -name '*.yaml' | xargs cat",
    "grep hitl-opa pyproject.toml",
    "python3 -c 'from hitl_opa import Guard'",
]


@pytest.mark.parametrize("command", CHANGES)
def test_the_guard_is_not_changed_unnamed(guarded: Guard, tmp_path: Path, command: str) -> None:
    said = guarded.decide_sync(ToolCall(tool="Bash", input={"command": command}, cwd=str(tmp_path)))
    assert said.verdict == "deny"
    assert said.reasons[0].rule == "self.guard"


@pytest.mark.parametrize("command", LEAVES)
def test_what_leaves_the_guard_alone_runs(guarded: Guard, tmp_path: Path, command: str) -> None:
    said = guarded.decide_sync(ToolCall(tool="Bash", input={"command": command}, cwd=str(tmp_path)))
    assert said.verdict == "allow"


def test_a_search_of_the_disk_does_not_depend_on_where_the_guard_is_installed(guarded: Guard, tmp_path: Path) -> None:
    installed = Path(hitl_opa.__file__).parent
    for start, rule in [(installed.parent, "self.guard"), (installed, "self.guard"), (installed.parent.parent, None)]:
        call = ToolCall(tool="Bash", input={"command": f"find {start} -name guarded.py -delete"}, cwd=str(tmp_path))
        rules = [r.rule for r in guarded.decide_sync(call).reasons]
        assert ("self.guard" in rules) == (rule is not None)
