"""What `Guard.open` makes of settings, and what it refuses to open."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hitl_opa.config import Config
from hitl_opa.errors import AuditError, ConfigError, PolicyError
from hitl_opa.guard import Guard
from hitl_opa.model import ToolCall
from hitl_opa.policy.bundle import shipped

ROOT = ToolCall(tool="Bash", input={"command": "rm -rf /"})
LIST = ToolCall(tool="Bash", input={"command": "ls"})
LOOP = """package hitl.custom
reasons contains r if {
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	a * b == -1
	r := {"rule": "x", "verdict": "allow", "risk": "low", "message": "x"}
}
"""


def test_defaults_are_cautious(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    guard = Guard.open()
    assert guard.config.level == 1
    assert guard.decide_sync(LIST).verdict == "ask"
    assert guard.decide_sync(ROOT).verdict == "deny"
    assert (tmp_path / ".hitl" / "hitl.db").stat().st_mode & 0o077 == 0


def test_settings_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("level: 3\naudit: record.db\ndata: {settings: {allow_bypass: true}}\n")
    guard = Guard.open(tmp_path / "hitl.yaml")
    assert guard.decide_sync(LIST).verdict == "allow"
    assert (tmp_path / "record.db").exists()
    assert Guard.open(tmp_path / "hitl.yaml", level=1).decide_sync(LIST).verdict == "ask"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("level: 9", "levels are"),
        ("level: three", "level"),
        ("levle: 3", "levle"),
        ("- 1", "mapping"),
        ("{", "not YAML"),
        ("\x00", "not YAML"),
        ("deadline: 0", "deadline"),
        ("isolation: container", "isolation"),
        ("opa: {url: 7}", "url"),
        ("data: [1]", "data"),
    ],
)
def test_settings_that_mean_nothing_open_nothing(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "hitl.yaml").write_text(text)
    with pytest.raises(ConfigError, match=why):
        Guard.open(tmp_path / "hitl.yaml")


def test_what_decides_is_not_the_agents_to_change(tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("level: 4\n")
    guard = Guard.open(tmp_path / "hitl.yaml")
    for command in (
        f"sed -i s/deny/allow/ {shipped()}/hitl/main/main.rego",
        "hitl-opa init --force --level 4",
        "sqlite3 .hitl/hitl.db \"update approval set state = 'approved'\"",
    ):
        decision = guard.decide_sync(ToolCall(tool="Bash", input={"command": command}, cwd=str(tmp_path)))
        assert (decision.verdict, decision.reasons[0].rule) == ("deny", "self.guard"), command


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        Guard.open(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    "source",
    [
        "package hitl.custom\n{",
        "package hitl.main\ndecision := {}",
        'package hitl.custom\nx := http.send({"url": "x"})',
    ],
    ids=["syntax", "foreign package", "outside the profile"],
)
def test_policies_that_are_not_sound_open_nothing(tmp_path: Path, source: str) -> None:
    (tmp_path / "x.rego").write_text(source)
    with pytest.raises(PolicyError, match=r"x\.rego:\d+"):
        Guard.open(Config(audit=":memory:", policies=[str(tmp_path / "x.rego")]))


def test_a_record_that_is_none_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "hitl.db").write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(AuditError, match=r"hitl\.db"):
        Guard.open(Config(audit=str(tmp_path / "hitl.db")))


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_isolation_decides_alike(isolation: str) -> None:
    guard = Guard.open(level=3, audit=":memory:", isolation=isolation)
    assert (guard.decide_sync(LIST).verdict, guard.decide_sync(ROOT).verdict) == ("allow", "deny")
    guard.close_sync()


def test_an_isolated_policy_that_never_ends_is_a_deny(tmp_path: Path) -> None:
    (tmp_path / "loop.rego").write_text(LOOP)
    guard = Guard.open(
        Config(level=3, audit=":memory:", isolation="process", policies=[str(tmp_path)], deadline=1.0),
    )
    said = guard.decide_sync(LIST)
    assert said.verdict == "deny"
    assert said.reasons[0].rule in {"guard.deadline", "guard.engine-error", "guard.engine-unavailable"}
    guard.close_sync()


def test_an_isolated_engine_that_was_killed_denies_or_is_replaced() -> None:
    others = children()
    guard = Guard.open(level=3, audit=":memory:", isolation="process")
    assert guard.decide_sync(LIST).verdict == "allow"
    engine = children() - others
    assert engine
    for child in engine:
        os.kill(child, signal.SIGKILL)
    assert guard.decide_sync(ROOT).verdict == "deny"
    assert guard.decide_sync(LIST).verdict == "allow"
    guard.close_sync()


def children() -> set[int]:
    """Processes that this one started."""
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
