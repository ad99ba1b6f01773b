from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.policy.opa_tool import find_opa

BAD = 'package hitl.custom\n\nreasons contains {"rule": "x", "t": time.now_ns()} if true\n'
needs_opa = pytest.mark.skipif(find_opa() is None, reason="opa is not there; make opa")


@pytest.fixture
def project(run: Any, tmp_path: Path) -> Path:
    run("init")
    return tmp_path


def test_own_tests_alone(run: Any, project: Path) -> None:
    result = run("policy", "test", "--engine", "embedded")
    assert result.exit_code == 0
    assert result.output == "2 tests passed on embedded\n"
    found = json.loads(run("policy", "test", "--engine", "embedded", "--json").stdout)
    assert [t["file"] for t in found["tests"]] == ["policy/lockfiles_test.rego"] * 2
    assert run("policy", "test", "--engine", "embedded", "--match", "lock_file_asks").output.startswith("1 tests")


def test_the_shipped_ones_too(run: Any, project: Path) -> None:
    found = json.loads(run("policy", "test", "--all", "--engine", "embedded", "--json").stdout)
    assert found["ok"]
    assert len({t["file"] for t in found["tests"]}) > 10


def test_a_test_that_fails_is_named_with_its_line(run: Any, project: Path) -> None:
    rule = project / "policy" / "lockfiles.rego"
    rule.write_text(rule.read_text().replace('"verdict": "ask"', '"verdict": "deny"', 1))
    result = run("policy", "test", "--engine", "embedded")
    assert result.exit_code == 1
    assert "FAIL  policy/lockfiles_test.rego:13:" in result.output
    assert "test_a_lock_file_asks" in result.output
    assert "1 of 2 tests failed" in result.output


def test_no_tests_is_no_pass(run: Any, project: Path) -> None:
    (project / "policy" / "lockfiles_test.rego").unlink()
    result = run("policy", "test")
    assert result.exit_code == 1
    assert "no tests" in result.output


def test_lint(run: Any, project: Path) -> None:
    assert run("policy", "lint").exit_code == 0
    (project / "policy" / "bad.rego").write_text(BAD)
    result = run("policy", "lint")
    assert result.exit_code == 1
    assert "policy/bad.rego:3:18: bound-head" in result.output
    assert run("policy", "test").exit_code == 2
    assert run("policy", "build").exit_code == 2


def test_lint_for_machines(run: Any, project: Path) -> None:
    (project / "bad.rego").write_text(BAD)
    found = json.loads(run("policy", "lint", "bad.rego", "--format", "json").stdout)
    assert {(f["file"], f["line"]) for f in found} == {("bad.rego", 3)}
    sarif = json.loads(run("policy", "lint", "bad.rego", "--format", "sarif").stdout)
    results = sarif["runs"][0]["results"]
    assert {r["ruleId"] for r in results} == {f["rule"] for f in found}
    assert results[0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 3
    lines = run("policy", "lint", "bad.rego", "--format", "github").stdout.splitlines()
    assert len(lines) == len(found)
    assert lines[0].startswith("::error file=bad.rego,line=3,col=")


@needs_opa
def test_fmt(run: Any, project: Path) -> None:
    rule = project / "policy" / "lockfiles.rego"
    good = rule.read_text()
    assert run("policy", "fmt", "--check").exit_code == 0
    rule.write_text(good.replace("\tcount(changed) > 0", "  count(changed)   >  0"))
    result = run("policy", "fmt", "--check")
    assert result.exit_code == 1
    assert "would change  policy/lockfiles.rego" in result.output
    assert run("policy", "fmt").exit_code == 0
    assert rule.read_text() == good


def test_fmt_without_opa(run: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl_opa.policy.opa_tool.find_opa", lambda: None)
    result = run("policy", "fmt")
    assert result.exit_code == 2
    assert "needs the opa tool" in result.stderr


def test_build(run: Any, project: Path) -> None:
    result = run("policy", "build", "-o", "out.tar.gz", "--json")
    assert result.exit_code == 0
    built = json.loads(result.stdout)
    with tarfile.open(project / "out.tar.gz") as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile("/.manifest"))  # type: ignore[arg-type]
    assert any(name.endswith("policy/lockfiles.rego") for name in names)
    assert not any(name.endswith("_test.rego") for name in names)
    assert manifest["revision"] == built["revision"]


def test_docs(run: Any, project: Path) -> None:
    assert run("policy", "docs", "--check").exit_code == 1
    assert run("policy", "docs").output == "wrote  docs/policies.md\n"
    text = (project / "docs" / "policies.md").read_text()
    assert "`custom.lockfile`" in text
    assert "`files.root`" in text
    assert run("policy", "docs", "--check").exit_code == 0
    assert run("policy", "docs", "-o", "-").stdout == text
    assert json.loads(run("policy", "docs", "-o", "-", "--json").stdout) == {"text": text}
    assert json.loads(run("policy", "docs", "--json").stdout) == {
        "ok": True,
        "file": "docs/policies.md",
        "changed": False,
    }
    (project / "docs" / "policies.md").write_text("stale")
    stale = run("policy", "docs", "--check", "--json")
    assert (stale.exit_code, json.loads(stale.stdout)["ok"]) == (1, False)
    assert json.loads(run("policy", "docs", "--json").stdout)["changed"] is True


def test_paths_that_are_not_there(run: Any) -> None:
    for command in ("test", "lint", "build", "fmt", "docs"):
        result = run("policy", command, "nowhere")
        assert result.exit_code == 2
        assert "no such policy file or directory" in result.stderr
