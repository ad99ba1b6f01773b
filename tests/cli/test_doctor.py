from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hitl_opa import Guard, ToolCall
from hitl_opa.cli import checks
from hitl_opa.config import Config, load_config


def found(run: Any, *arguments: str) -> dict[str, Any]:
    result = run("doctor", "--json", *arguments)
    report = json.loads(result.stdout)
    assert result.exit_code == (0 if report["ok"] else 1)
    return {check["name"]: check for check in report["checks"]} | {"ok": report["ok"]}


def test_a_fresh_project_is_fine(run: Any) -> None:
    run("init")
    result = run("doctor")
    assert result.exit_code == 0
    assert "0 failed" in result.output
    assert "rm -rf / is denied by files.root" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_without_settings_the_defaults_are_fine(run: Any, tmp_path: Path) -> None:
    report = found(run)
    assert report["ok"]
    assert "no hitl.yaml" in report["settings"]["detail"]
    assert list(tmp_path.iterdir()) == []


def test_settings_that_do_not_load(run: Any, tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("level: 7\n")
    report = found(run)
    assert "autonomy levels are 1, 2, 3 and 4" in report["settings"]["detail"]
    assert not report["ok"]


def test_a_policy_that_does_not_load(run: Any, tmp_path: Path) -> None:
    run("init")
    (tmp_path / "policy" / "bad.rego").write_text(
        "package hitl.custom\n\nreasons contains r if { r := time.now_ns() }\n"
    )
    report = found(run)
    assert report["policies"]["status"] == "fail"
    assert "bad.rego:3" in report["policies"]["detail"]


def test_a_policy_server_that_does_not_answer_denies_but_proves_nothing(run: Any) -> None:
    report = found(run, "--engine", "http://127.0.0.1:9")
    assert report["denies"]["status"] == "fail"
    assert report["denies"]["remedy"].startswith("is the policy bundle loaded")


def test_files_that_others_may_change(run: Any, tmp_path: Path) -> None:
    run("init")
    (tmp_path / "hitl.yaml").chmod(0o666)
    report = found(run)
    assert report["settings"]["status"] == "fail"
    assert report["settings"]["remedy"] == f"chmod go-w {tmp_path / 'hitl.yaml'}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_files_of_another_user(run: Any, tmp_path: Path) -> None:
    run("init")
    os.chown(tmp_path / "policy" / "lockfiles.rego", 12345, -1)
    assert found(run)["owner"]["status"] == "fail"


def test_the_record_is_verified(run: Any, tmp_path: Path) -> None:
    run("init")
    guard = Guard.open()
    guard.decide_sync(ToolCall(tool="Bash", input={"command": "rm -rf /"}))
    guard.audit.close()
    assert found(run)["record"]["detail"] == "1 records verify"
    database = tmp_path / ".hitl" / "hitl.db"
    database.chmod(0o644)
    with sqlite3.connect(database) as db:
        db.execute("UPDATE audit_leaf SET leaf = replace(leaf, '\"deny\"', '\"allow\"')")
    db.close()
    report = found(run)
    assert report["record"]["status"] == "fail"
    assert report["record file"]["status"] == "warn"


def test_a_clock_that_is_behind(run: Any, tmp_path: Path) -> None:
    run("init")
    guard = Guard.open()
    guard.decide_sync(ToolCall(tool="Read", input={"file_path": "a"}))
    guard.audit.close()
    config = load_config()
    assert checks.clock(config).status == "ok"
    installed = Path(checks.__file__).stat().st_mtime
    assert "before hitl-opa was installed" in checks.clock(config, now=lambda: installed - 86400).detail
    os.utime(tmp_path / "hitl.yaml")
    database = tmp_path / ".hitl" / "hitl.db"
    assert database.exists()
    if (last := checks._last_record(config)) is not None and last - 600 > installed:
        assert "before the last record" in checks.clock(config, now=lambda: last - 600).detail


def test_a_disk_that_is_full(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SPACE", 10**18)
    assert found(run)["space"]["status"] == "fail"


def test_a_record_in_memory_is_worth_knowing() -> None:
    assert [c.status for c in checks.record(Config(audit=":memory:"))] == ["warn"]


def test_no_opa(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl_opa.policy.opa_tool.find_opa", lambda: None)
    assert checks.opa_tool().status == "warn"


@pytest.mark.cli
def test_the_real_cli_proves_it(run: Any) -> None:
    run("init")
    report = found(run, "--cli")
    assert [report[name]["status"] for name in ("allow runs", "deny blocks", "error blocks")] == ["ok"] * 3
    assert "self.guard" in report["deny blocks"]["detail"]


@pytest.mark.cli
def test_a_guard_that_does_not_hold_is_found_out(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl_opa.guard import Guard

    monkeypatch.setattr(Guard, "protect", lambda guard, options, **_: options)
    report = found(run, "--cli")
    assert not report["ok"]
    assert (
        "the call ran" in report["deny blocks"]["detail"] + report["error blocks"]["detail"]
        or report["allow runs"]["status"] == "fail"
    )
