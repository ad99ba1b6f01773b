from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.cli.init import STARTER, write
from hitl_opa.config import load_config
from hitl_opa.policy.opa_tool import find_opa


def test_it_writes_settings_and_a_rule_and_says_so(run: Any, tmp_path: Path) -> None:
    result = run("init")
    assert result.exit_code == 0
    for name in ("hitl.yaml", "policy/lockfiles.rego", "policy/lockfiles_test.rego", ".hitl/.gitignore"):
        assert (tmp_path / name).is_file()
        assert f"wrote  {name}" in result.output
    assert "Autonomy level 2\n  Reading runs alone" in result.output
    assert "hitl-opa policy test" in result.output
    assert (tmp_path / ".hitl").stat().st_mode & 0o077 == 0


def test_the_settings_load_and_the_level_stands_in_them(run: Any, tmp_path: Path) -> None:
    run("init", "app", "--level", "3")
    assert "\nlevel: 3\n" in (tmp_path / "app" / "hitl.yaml").read_text()
    config = load_config(tmp_path / "app" / "hitl.yaml")
    assert (config.level, config.policies, config.environment) == (3, ["policy"], "dev")


def test_the_rule_works_at_once(run: Any) -> None:
    run("init", "--level", "3")
    decision = json.loads(run("decide", "Write", "file_path=uv.lock", "content=x", "--json").stdout)
    assert decision["reasons"][0]["rule"] == "custom.lockfile"
    decision = json.loads(run("decide", "Bash", "command=echo x > web/yarn.lock", "--json").stdout)
    assert "custom.lockfile" in [r["rule"] for r in decision["reasons"]]
    decision = json.loads(run("decide", "Write", "file_path=a.py", "content=x", "--json").stdout)
    assert decision["verdict"] == "allow"


def test_the_waiver_in_its_comment_works_too(run: Any, tmp_path: Path) -> None:
    run("init", "--level", "2")
    before = json.loads(run("decide", "Bash", "command=git commit -m x", "--json").stdout)
    assert before["verdict"] == "ask"
    file = tmp_path / "policy" / "lockfiles.rego"
    text, _, example = file.read_text().partition("# reasons contains r if {")
    lines = [line.removeprefix("# ").removeprefix("#") for line in ("# reasons contains r if {" + example).splitlines()]
    file.write_text(text + "\n".join(lines) + "\n")
    after = json.loads(run("decide", "Bash", "command=git commit -m x", "--json").stdout)
    assert after["verdict"] == "allow"
    assert after["waived"]


def test_again_changes_nothing(run: Any, tmp_path: Path) -> None:
    run("init")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    result = run("init")
    assert result.exit_code == 0
    assert "wrote" not in result.output
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_what_is_there_is_kept_unless_forced(run: Any, tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("level: 1\n")
    result = run("init")
    assert (tmp_path / "hitl.yaml").read_text() == "level: 1\n"
    assert "kept" in result.output
    assert "Autonomy level" not in result.output
    assert (tmp_path / "policy" / "lockfiles.rego").is_file()
    result = run("init", "--force", "--json")
    assert "level: 2" in (tmp_path / "hitl.yaml").read_text()
    files = json.loads(result.stdout)["files"]
    assert {f["path"]: f["done"] for f in files}["hitl.yaml"] == "replaced"


def test_a_directory_that_cannot_be_written(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("init", "file/below")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_the_starter_policy_is_formatted_and_its_tests_pass_on_opa(tmp_path: Path) -> None:
    opa = find_opa()
    if opa is None:
        pytest.skip("opa is not there; make opa")
    write(tmp_path)
    policy = str(tmp_path / "policy")
    assert subprocess.run([opa, "fmt", "--list", policy], capture_output=True, text=True, check=True).stdout == ""
    subprocess.run([opa, "test", policy], capture_output=True, check=True)
    assert (STARTER / "policy" / "lockfiles_test.rego").is_file()
